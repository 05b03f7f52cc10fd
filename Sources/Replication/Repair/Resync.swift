public import CoveyCore

/// Brings one mailbox server up to date from the others, user by user (design §7).
///
/// Adds what it lacks and removes what the journal names. What only it holds is told, and removed only on request.
/// Nothing is remembered between runs: a run that was broken off is simply repeated.
public struct Resync: Sendable {
    public struct Options: Sendable {
        /// Change nothing.
        public var isDryRun: Bool
        /// Remove what only the target holds, too.
        public var prunes: Bool

        public init(isDryRun: Bool = false, prunes: Bool = false) {
            self.isDryRun = isDryRun
            self.prunes = prunes
        }
    }

    /// What was found and done for one user.
    public struct Report: Sendable, Equatable {
        public var user: String
        /// Copied to the target, or to be copied in a dry run.
        public var added: [MaildropID] = []
        /// Named by the journal and removed from the target, or to be removed.
        public var removed: [MaildropID] = []
        /// What only the target holds.
        public var extra: [MaildropID] = []
        /// Of these, removed or to be removed.
        public var pruned: [MaildropID] = []
        /// What went wrong; such a user has to be done again.
        public var problems: [String] = []

        public init(user: String) {
            self.user = user
        }

        /// Whether the target holds what the others hold, and nothing that the journal names.
        public var isEqual: Bool { problems.isEmpty && extra.count == pruned.count }
        public var hasDifferences: Bool { !(added.isEmpty && removed.isEmpty && extra.isEmpty && problems.isEmpty) }
    }

    private let target: any MaildropServer
    private let sources: [any MaildropReader]
    private let key: ClusterKey
    private let options: Options
    private let deletedIDs: @Sendable (String) async -> Set<MaildropID>

    /// - Parameters:
    ///   - sources: all other servers that have not lost touch.
    ///   - deletedIDs: ids that the journals name for a user, as fresh as can be.
    public init(
        target: any MaildropServer, sources: [any MaildropReader], key: ClusterKey, options: Options,
        deletedIDs: @escaping @Sendable (String) async -> Set<MaildropID>
    ) {
        self.target = target
        self.sources = sources
        self.key = key
        self.options = options
        self.deletedIDs = deletedIDs
    }

    /// Does one user, and compares in the end what is there with what should be.
    ///
    /// - Parameter progress: hears after each message how many of those that the target lacks were gone through.
    public func run(_ user: String, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }) async -> Report {
        var report = Report(user: user)
        var open: [any MaildropSession] = []
        do {
            var names: [String] = []
            for source in sources {
                do {
                    open.append(try await source.open(user))
                    names.append(source.name)
                } catch {
                    report.problems.append("\(source.name): \(error)")
                }
            }
            if open.isEmpty {
                report.problems.append("no server to copy from could be read")
            } else {
                try await run(user, from: open, names: names, progress, &report)
            }
        } catch {
            report.problems.append("\(target.name): \(error)")
        }
        for session in open { await session.close() }
        return report
    }

    private func run(
        _ user: String, from open: [any MaildropSession], names: [String],
        _ progress: (_ done: Int, _ total: Int) -> Void, _ report: inout Report
    ) async throws {
        // After the listings: what a user deletes from now on hides and removes the copy made here.
        let deleted = await deletedIDs(user)
        let session = try await target.open(user)
        let held = session.listing.messages
        let heldIDs = Set(held.map(\.id))
        let wanted = Resync.union(open.map(\.listing), without: deleted)
        let wantedIDs = Set(wanted.map(\.id))

        let named = held.filter { deleted.contains($0.id) }
        let extra = held.filter { !deleted.contains($0.id) && !wantedIDs.contains($0.id) }
        report.removed = Resync.ids(named)
        report.extra = Resync.ids(extra)
        // Another server that could not be asked may hold it, too.
        let mayPrune = options.prunes && report.problems.isEmpty
        if mayPrune { report.pruned = report.extra }
        let missing = wanted.filter { !heldIDs.contains($0.id) }
        guard !options.isDryRun else {
            report.added = missing.map(\.id)
            return await session.close()
        }
        if named.isEmpty && report.pruned.isEmpty {
            await session.close()
        } else {
            try await session.remove(named + (mayPrune ? extra : []))
        }
        for (place, message) in missing.enumerated() {
            await add(message, user, from: open, names: names, &report)
            progress(place + 1, missing.count)
        }
        guard report.hasDifferences else { return }
        try await compare(user, wanted: wantedIDs, deleted: deleted, &report)
    }

    /// Copies one message from the first source whose copy can be believed.
    private func add(
        _ message: Wanted, _ user: String, from open: [any MaildropSession], names: [String], _ report: inout Report
    ) async {
        let holders = message.holders.map {
            CopyChoice.Holder(server: names[$0.source], session: open[$0.source], message: $0.message)
        }
        switch await CopyChoice.find(message.id, in: holders, key: key) {
        // One copy that nothing speaks against is better than none; two that differ are for a person to look at.
        case .proven(let copy), .single(let copy): await store(copy, message.id, user, &report)
        case .none(let reason): report.problems.append("\(message.id): \(reason)")
        case .nameless:
            report.problems.append("\(message.id): it has neither stamp nor Message-ID; copy it by hand")
        }
    }

    private func store(_ copy: StoredCopy, _ id: MaildropID, _ user: String, _ report: inout Report) async {
        if let refusal = await target.store(copy, for: user) {
            report.problems.append("\(id): \(target.name): \(refusal)")
        } else {
            report.added.append(id)
        }
    }

    private func compare(
        _ user: String, wanted: Set<MaildropID>, deleted: Set<MaildropID>, _ report: inout Report
    ) async throws {
        let session = try await target.open(user)
        let ids = Set(session.listing.messages.map(\.id))
        await session.close()
        let named = Set(report.problems.map { String($0.prefix { $0 != ":" }) })
        for id in wanted.subtracting(ids).subtracting(named).sorted() {
            // Deleted by its user meanwhile: then it shall not be there.
            if await deletedIDs(user).contains(id) { continue }
            report.problems.append("\(id): it was copied and is not listed")
        }
        for id in ids.intersection(deleted).sorted() {
            report.problems.append("\(id): it was removed and is still listed")
        }
    }

    // MARK: what should be there

    private struct Wanted {
        var id: MaildropID
        var holders: [(source: Int, message: ServerListing.Message)]
    }

    private static func union(_ listings: [ServerListing], without deleted: Set<MaildropID>) -> [Wanted] {
        var result: [Wanted] = []
        var places: [MaildropID: Int] = [:]
        for (source, listing) in listings.enumerated() {
            for message in listing.messages where !deleted.contains(message.id) {
                if let place = places[message.id] {
                    result[place].holders.append((source, message))
                } else {
                    places[message.id] = result.count
                    result.append(Wanted(id: message.id, holders: [(source, message)]))
                }
            }
        }
        return result
    }

    private static func ids(_ messages: [ServerListing.Message]) -> [MaildropID] {
        var seen: Set<MaildropID> = []
        return messages.map(\.id).filter { seen.insert($0).inserted }
    }
}
