/// One maildrop made of what several mailbox servers hold (design §5).
///
/// The union of the ids: in the order of the first server in configuration order, then the ids that only others hold, in
/// their order. Several copies of one id on one server are one message.
public struct MergedMaildrop: Sendable, Equatable {
    /// A copy of a message on one server.
    public struct Copy: Sendable, Equatable {
        /// Index of the server in the configuration.
        public let server: Int
        /// Message number in the session with that server.
        public let number: Int
        public let octets: Int
    }

    /// The messages' ids, in the maildrop's order.
    public let ids: [MaildropID]
    /// All copies of all messages, those of one message together: at 100,000 messages an array for each would be most
    /// of the memory.
    private let allCopies: [Copy]
    /// Where a message's copies begin; one more element than there are messages.
    private let firstCopy: [Int]
    /// Copies of messages that the user deleted before: not shown, and to be removed when there is occasion.
    public let hiddenCopies: [Copy]
    /// Messages left out because only servers that have lost touch hold them.
    public let withheldCount: Int

    /// Merges the listings of the servers that answered.
    ///
    /// - Parameters:
    ///   - preference: server indices, the one to read from first at the front. Servers not named come last.
    ///   - deleted: ids that the journal names for this user.
    ///   - outOfTouch: servers that have lost touch. What only they hold is left out, neither shown nor hidden to be
    ///     removed, unless no other server is there (design §6).
    public init(
        listings: [ServerListing], preference: [Int], deleted: Set<MaildropID> = [], outOfTouch: Set<Int> = []
    ) {
        let (inOrder, withheld) = MergedMaildrop.withholding(listings, outOfTouch: outOfTouch, deleted: deleted)
        var total = 0
        var hidden: [Copy] = []
        var ids: [MaildropID] = []
        var copyCount: [Int] = []
        /// For each listing, each message's place in `ids`; -1 for what is hidden.
        var places: [[Int32]] = []
        var placeOfID: [MaildropID: Int32] = [:]
        for listing in inOrder {
            var listed: [Int32] = []
            listed.reserveCapacity(listing.messages.count)
            if ids.isEmpty {
                ids.reserveCapacity(listing.messages.count)
                placeOfID.reserveCapacity(listing.messages.count)
            }
            // Servers mostly hold the same in the same order: where the next one expected comes, nothing is looked up.
            var expected = 0
            let isFirst = places.isEmpty
            for message in listing.messages {
                var place: Int32?
                if !isFirst, expected < ids.count, ids[expected] == message.id {
                    place = Int32(expected)
                } else if !deleted.isEmpty, deleted.contains(message.id) {
                    hidden.append(Copy(server: listing.server, number: message.number, octets: message.octets))
                    listed.append(-1)
                    continue
                } else {
                    place = placeOfID[message.id]
                }
                total += 1
                if let place {
                    copyCount[Int(place)] += 1
                    listed.append(place)
                    expected = Int(place) + 1
                } else {
                    let new = Int32(ids.count)
                    placeOfID[message.id] = new
                    ids.append(message.id)
                    copyCount.append(1)
                    listed.append(new)
                }
            }
            places.append(listed)
        }
        var firstCopy: [Int] = [0]
        firstCopy.reserveCapacity(ids.count + 1)
        for count in copyCount { firstCopy.append((firstCopy.last ?? 0) + count) }

        // Filled server by server in order of preference, so that a message's copies come out in that order.
        var next = firstCopy
        var copies = [Copy](repeating: Copy(server: -1, number: 0, octets: 0), count: total)
        let byPreference = inOrder.indices.sorted {
            rank(inOrder[$0].server, in: preference) < rank(inOrder[$1].server, in: preference)
        }
        for index in byPreference {
            let server = inOrder[index].server
            for (message, place) in zip(inOrder[index].messages, places[index]) where place >= 0 {
                copies[next[Int(place)]] = Copy(server: server, number: message.number, octets: message.octets)
                next[Int(place)] += 1
            }
        }
        self.withheldCount = withheld
        self.hiddenCopies = hidden
        self.ids = ids
        self.allCopies = copies
        self.firstCopy = firstCopy
    }

    /// The listings in order of the servers, without what only servers that have lost touch hold; and how many those were.
    private static func withholding(
        _ listings: [ServerListing], outOfTouch: Set<Int>, deleted: Set<MaildropID>
    ) -> ([ServerListing], Int) {
        let inOrder = listings.sorted { $0.server < $1.server }
        let inTouch = inOrder.filter { !outOfTouch.contains($0.server) }
        guard !inTouch.isEmpty, inTouch.count < inOrder.count else { return (inOrder, 0) }
        let known = Set(inTouch.lazy.flatMap(\.messages).map(\.id))
        var withheld: Set<MaildropID> = []
        let shown = inOrder.map { listing in
            guard outOfTouch.contains(listing.server) else { return listing }
            let messages = listing.messages.filter { known.contains($0.id) || deleted.contains($0.id) }
            if messages.count < listing.messages.count {
                withheld.formUnion(listing.messages.map(\.id).filter { !known.contains($0) && !deleted.contains($0) })
            }
            return ServerListing(server: listing.server, messages: messages)
        }
        return (shown, withheld.count)
    }

    public var count: Int { ids.count }

    /// A message's copies, the one to read first at the front. `message`: index from 0.
    public func copies(of message: Int) -> ArraySlice<Copy> {
        allCopies[firstCopy[message]..<firstCopy[message + 1]]
    }

    /// Whether some message is not on every one of so many servers.
    ///
    /// - Parameter serverCount: at most 64.
    public func lacksCopies(on serverCount: Int) -> Bool {
        ids.indices.contains { message in
            let holders = copies(of: message).reduce(UInt64(0)) { $0 | 1 << UInt64($1.server) }
            return holders.nonzeroBitCount < serverCount
        }
    }

    /// Messages that one of these servers lacks although it was asked: in the maildrop's order, at most `most`.
    ///
    /// - Parameter servers: those that answered.
    public func lacking(among servers: [Int], most: Int) -> [(message: Int, server: Int)] {
        var result: [(Int, Int)] = []
        guard servers.count > 1 else { return result }
        for message in ids.indices {
            let copies = copies(of: message)
            for server in servers where !copies.contains(where: { $0.server == server }) {
                guard result.count < most else { return result }
                result.append((message, server))
            }
        }
        return result
    }

    /// Size that LIST shows: that of the copy which RETR would send.
    public func octets(of message: Int) -> Int {
        allCopies[firstCopy[message]].octets
    }
}

private func rank(_ server: Int, in preference: [Int]) -> Int {
    preference.firstIndex(of: server) ?? preference.count + server
}
