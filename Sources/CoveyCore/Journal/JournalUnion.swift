/// All deletions that are known, from all journals together.
///
/// Messages and their deletions are a two-phase set: adding what another journal holds is right in any order and any
/// number of times. Nothing is removed but by age.
public struct JournalUnion: Sendable {
    private struct Record {
        /// The latest time of deletion that was heard of.
        var time: UInt32
        /// Servers whose journals hold it: bit n for the nth of the configuration.
        var servers: UInt64
    }

    private var users: [String: [UniqueID: Record]] = [:]
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
        for id in entry.ids {
            if var record = users[entry.user]?[id] {
                record.time = max(record.time, time)
                record.servers |= bit
                users[entry.user]?[id] = record
            } else {
                users[entry.user, default: [:]][id] = Record(time: time, servers: bit)
                count += 1
            }
        }
    }

    /// Ids of this user's messages that are deleted, wherever a copy may turn up.
    public func deleted(by user: String) -> Set<UniqueID> {
        users[user].map { Set($0.keys) } ?? []
    }

    /// What this server's journal lacks, of the entries not older than `oldest`.
    public func missing(on server: Int, since oldest: Int) -> [JournalEntry] {
        entries { $0.servers & (1 << UInt64(server)) == 0 && Int($0.time) >= oldest }
    }

    /// What this server's journal holds, of the entries not older than `oldest`.
    public func held(by server: Int, since oldest: Int) -> [JournalEntry] {
        entries { $0.servers & (1 << UInt64(server)) != 0 && Int($0.time) >= oldest }
    }

    /// Forgets who holds what as far as this server goes: its journal is about to be read anew.
    public mutating func forgetHolder(_ server: Int) {
        for user in users.keys {
            for id in (users[user] ?? [:]).keys { users[user]?[id]?.servers &= ~(1 << UInt64(server)) }
        }
    }

    /// Forgets entries older than `oldest` (seconds since 1970).
    public mutating func expire(before oldest: Int) {
        for (user, records) in users {
            let kept = records.filter { Int($0.value.time) >= oldest }
            guard kept.count != records.count else { continue }
            count -= records.count - kept.count
            users[user] = kept.isEmpty ? nil : kept
        }
    }

    /// Entries of what satisfies the condition, one for each user and time.
    private func entries(_ condition: (Record) -> Bool) -> [JournalEntry] {
        var result: [JournalEntry] = []
        for (user, records) in users {
            var byTime: [UInt32: [UniqueID]] = [:]
            for (id, record) in records where condition(record) { byTime[record.time, default: []].append(id) }
            for (time, ids) in byTime { result.append(JournalEntry(user: user, ids: ids, time: Int(time))) }
        }
        return result
    }
}
