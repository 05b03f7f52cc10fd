/// All deletions that are known, from all journals together.
///
/// Messages and their deletions are a two-phase set: adding what another journal holds is right in any order and any
/// number of times. Nothing is removed but by age.
///
/// A million deletions take some 45 MB: 32 octets each in chunks that are never moved, 4 to 8 more for finding them, and
/// users' names once.
public struct JournalUnion: Sendable {
    private struct Record {
        var id: UniqueID.Words
        /// The latest time of deletion that was heard of.
        var time: UInt32
        /// Place of the user's name, and in the lowest bit the id's kind.
        var userAndKind: UInt32
        /// The user's previous record; `none` at the end.
        var next: UInt32
        /// Place in `holderSets` of the set of servers whose journals hold it.
        var holders: UInt32
    }

    private static let none = UInt32.max
    private static let chunkSize = 8_192

    private var chunks: [ContiguousArray<Record>] = []
    /// Open addressing with linear steps: places of records.
    private var table: ContiguousArray<UInt32> = []
    private var userNames: [String] = []
    private var userPlaces: [String: UInt32] = [:]
    /// Each user's newest record.
    private var heads: ContiguousArray<UInt32> = []
    /// Sets of servers, bit n for the nth of the configuration. There are few: most entries are held by all.
    private var holderSets: [UInt64] = [0]
    private var holderPlaces: [UInt64: UInt32] = [0: 0]
    /// Records that each server's journal holds.
    private var heldCounts = [Int](repeating: 0, count: 64)
    /// No record is older.
    private var oldestTime = UInt32.max
    /// Deletions held, over all users.
    public private(set) var count = 0

    public init() {}

    /// Takes what a journal holds.
    ///
    /// - Parameter server: whose journal it was, as its place in the configuration (0 to 63); nil for one that is only
    ///   known here so far.
    public mutating func add(_ entry: JournalEntry, heldBy server: Int?) {
        let time = UInt32(clamping: entry.time)
        let bit: UInt64 = server.map { 1 << UInt64($0) } ?? 0
        let user = place(of: entry.user)
        for id in entry.ids { add(id, user: user, time: time, bit: bit) }
    }

    /// Ids of this user's messages that are deleted, wherever a copy may turn up; of entries not older than `oldest`.
    public func deleted(by user: String, since oldest: Int = 0) -> Set<UniqueID> {
        guard let place = userPlaces[user] else { return [] }
        var ids: Set<UniqueID> = []
        var position = heads[Int(place)]
        while position != JournalUnion.none {
            let record = self[position]
            if Int(record.time) >= oldest { ids.insert(id(of: record)) }
            position = record.next
        }
        return ids
    }

    /// Number of deletions that this server's journal lacks, of whatever age.
    public func missingCount(on server: Int) -> Int { count - heldCounts[server] }

    /// What this server's journal lacks, of the entries not older than `oldest`.
    public func missing(on server: Int, since oldest: Int) -> [JournalEntry] {
        // The usual case, which shall cost nothing.
        guard heldCounts[server] < count else { return [] }
        return entries { $0 & (1 << UInt64(server)) == 0 && Int($1) >= oldest }
    }

    /// What this server's journal holds, of the entries not older than `oldest`.
    public func held(by server: Int, since oldest: Int) -> [JournalEntry] {
        entries { $0 & (1 << UInt64(server)) != 0 && Int($1) >= oldest }
    }

    /// One deletion, for a person to look at.
    public struct Item: Sendable, Equatable {
        public var user: String
        public var id: UniqueID
        public var time: Int
        /// Places of the servers whose journals hold it.
        public var holders: [Int]

        public init(user: String, id: UniqueID, time: Int, holders: [Int]) {
            self.user = user
            self.id = id
            self.time = time
            self.holders = holders
        }
    }

    /// Deletions that satisfy the condition, in no order.
    public func items(where isMeant: (String, UniqueID) -> Bool = { _, _ in true }) -> [Item] {
        var result: [Item] = []
        for chunk in chunks {
            for record in chunk {
                let user = userNames[Int(record.userAndKind >> 1)]
                guard isMeant(user, id(of: record)) else { continue }
                let set = holderSets[Int(record.holders)]
                result.append(
                    Item(
                        user: user, id: id(of: record), time: Int(record.time),
                        holders: (0..<64).filter { set & (1 << UInt64($0)) != 0 }))
            }
        }
        return result
    }

    /// Forgets who holds what as far as this server goes: its journal is about to be read anew.
    public mutating func forgetHolder(_ server: Int) {
        guard heldCounts[server] > 0 else { return }
        let mask: UInt64 = ~(1 << UInt64(server))
        let without = holderSets.map { place(ofHolders: $0 & mask) }
        for chunk in chunks.indices {
            for index in chunks[chunk].indices {
                chunks[chunk][index].holders = without[Int(chunks[chunk][index].holders)]
            }
        }
        heldCounts[server] = 0
    }

    /// Forgets entries older than `oldest` (seconds since 1970).
    public mutating func expire(before oldest: Int) {
        guard count > 0, Int(oldestTime) < oldest else { return }
        let total = count
        var kept: UInt32 = 0
        oldestTime = .max
        for position in 0..<UInt32(total) {
            let record = self[position]
            if Int(record.time) >= oldest {
                self[kept] = record
                oldestTime = min(oldestTime, record.time)
                kept += 1
            } else {
                countHolders(record.holders, -1)
            }
        }
        count = Int(kept)
        let chunksKept = (count + JournalUnion.chunkSize - 1) / JournalUnion.chunkSize
        chunks.removeLast(chunks.count - chunksKept)
        if let last = chunks.indices.last {
            chunks[last].removeLast(chunks[last].count - (count - last * JournalUnion.chunkSize))
        }
        for user in heads.indices { heads[user] = JournalUnion.none }
        for position in 0..<kept {
            let user = Int(self[position].userAndKind >> 1)
            self[position].next = heads[user]
            heads[user] = position
        }
        buildTable(size: table.count)
    }

    // MARK: records

    private subscript(position: UInt32) -> Record {
        get { chunks[Int(position) / JournalUnion.chunkSize][Int(position) % JournalUnion.chunkSize] }
        set { chunks[Int(position) / JournalUnion.chunkSize][Int(position) % JournalUnion.chunkSize] = newValue }
    }

    private mutating func add(_ id: UniqueID, user: UInt32, time: UInt32, bit: UInt64) {
        if (count + 1) * 4 > table.count * 3 { buildTable(size: max(1_024, table.count * 2)) }
        let userAndKind = user << 1 | UInt32(id.kind.rawValue)
        let slot = findSlot(of: id.words, userAndKind)
        let position = table[slot]
        guard position == JournalUnion.none else {
            var record = self[position]
            let set = holderSets[Int(record.holders)]
            guard time > record.time || set | bit != set else { return }
            record.time = max(record.time, time)
            if set | bit != set {
                countHolders(record.holders, -1)
                record.holders = place(ofHolders: set | bit)
                countHolders(record.holders, 1)
            }
            self[position] = record
            return
        }
        let record = Record(
            id: id.words, time: time, userAndKind: userAndKind, next: heads[Int(user)],
            holders: place(ofHolders: bit))
        if count % JournalUnion.chunkSize == 0 {
            var chunk = ContiguousArray<Record>()
            chunk.reserveCapacity(JournalUnion.chunkSize)
            chunks.append(chunk)
        }
        chunks[chunks.count - 1].append(record)
        table[slot] = UInt32(count)
        heads[Int(user)] = UInt32(count)
        countHolders(record.holders, 1)
        oldestTime = min(oldestTime, time)
        count += 1
    }

    private func id(of record: Record) -> UniqueID {
        UniqueID(words: record.id, kind: record.userAndKind & 1 == 1 ? .stamped : .unstamped)
    }

    private mutating func place(of user: String) -> UInt32 {
        if let place = userPlaces[user] { return place }
        let place = UInt32(userNames.count)
        userNames.append(user)
        userPlaces[user] = place
        heads.append(JournalUnion.none)
        return place
    }

    private mutating func place(ofHolders set: UInt64) -> UInt32 {
        if let place = holderPlaces[set] { return place }
        let place = UInt32(holderSets.count)
        holderSets.append(set)
        holderPlaces[set] = place
        return place
    }

    private mutating func countHolders(_ place: UInt32, _ change: Int) {
        var set = holderSets[Int(place)]
        while set != 0 {
            heldCounts[set.trailingZeroBitCount] += change
            set &= set - 1
        }
    }

    // MARK: finding

    /// The slot that holds the record, or the free one where it belongs.
    private func findSlot(of id: UniqueID.Words, _ userAndKind: UInt32) -> Int {
        // Ids are digests under the cluster's key: their bits need no further mixing.
        var slot = Int(truncatingIfNeeded: (id.low ^ UInt64(userAndKind) &* 0x9E37_79B9_7F4A_7C15)) & (table.count - 1)
        while table[slot] != JournalUnion.none {
            let record = self[table[slot]]
            if record.id == id && record.userAndKind == userAndKind { return slot }
            slot = (slot + 1) & (table.count - 1)
        }
        return slot
    }

    /// - Parameter size: a power of two.
    private mutating func buildTable(size: Int) {
        table = []
        table = ContiguousArray(repeating: JournalUnion.none, count: size)
        for position in 0..<UInt32(count) {
            let record = self[position]
            table[findSlot(of: record.id, record.userAndKind)] = position
        }
    }

    /// Entries of what satisfies the condition on holders and time, one for each user and time.
    private func entries(_ condition: (UInt64, UInt32) -> Bool) -> [JournalEntry] {
        var result: [JournalEntry] = []
        for user in userNames.indices {
            var byTime: [UInt32: [UniqueID]] = [:]
            var position = heads[user]
            while position != JournalUnion.none {
                let record = self[position]
                if condition(holderSets[Int(record.holders)], record.time) {
                    byTime[record.time, default: []].append(id(of: record))
                }
                position = record.next
            }
            for (time, ids) in byTime { result.append(JournalEntry(user: userNames[user], ids: ids, time: Int(time))) }
        }
        return result
    }
}
