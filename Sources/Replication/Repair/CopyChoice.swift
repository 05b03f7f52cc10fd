import CoveyCore

/// Which of the copies that several servers hold of one id can be believed (design §7).
struct CopyChoice {
    /// A server that holds one.
    struct Holder {
        var server: String
        var session: any MaildropSession
        var message: ServerListing.Message
    }

    enum Finding {
        /// Its id verifies, or another server's copy has the same body.
        case proven(StoredCopy)
        /// The only one there is, and nothing speaks against it.
        case single(StoredCopy)
        /// The copies differ, or cannot be read; in words.
        case none(String)
        /// It has neither stamp nor Message-ID: every server gives a copy of it another id.
        case nameless
    }

    /// Reads one copy after the other until one is proven.
    static func find(_ id: MaildropID, in holders: [Holder], key: ClusterKey) async -> Finding {
        var doubtful: [StoredCopy] = []
        var reasons: [String] = []
        for holder in holders {
            do {
                let copy = StoredCopy(try await holder.session.fetch(holder.message))
                guard copy.stamp != nil || copy.hasMessageID else { return .nameless }
                let isProven = UniqueID(stamp: id).map { copy.verifies($0, key: key) } ?? false
                if isProven || doubtful.contains(where: { $0.body == copy.body }) { return .proven(copy) }
                doubtful.append(copy)
            } catch {
                reasons.append("\(holder.server): \(error)")
            }
        }
        if doubtful.count == 1, let copy = doubtful.first, reasons.isEmpty { return .single(copy) }
        if doubtful.count > 1 { reasons.append("the copies differ, and none proves to be the message of that id") }
        return .none(reasons.isEmpty ? "no server holds it any more" : reasons.joined(separator: "; "))
    }
}
