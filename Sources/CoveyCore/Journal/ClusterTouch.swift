/// Which mailbox servers have been there all the time, by the heartbeats in their journals, and what time it is for the
/// journals (design §6).
///
/// A server has lost touch when its newest heartbeat is older than half of `expire`, measured by the newest heartbeat of any
/// server: it may hold messages whose deletion nobody remembers. A journal without heartbeats counts from the oldest
/// heartbeat of any server: new with a new cluster, lost or empty in one that has been running. A server that has lost
/// touch gets no heartbeats, and a gap between two of its heartbeats tells the same, in case a proxy wrote one before it
/// knew: only the mark that `covey resync` leaves makes good what lies before it. A gap in which no other server has a
/// heartbeat is none: nobody was away where `expire` was made shorter, and heartbeats came by the old one.
///
/// Time goes by the heartbeats, not by clocks: each is at most two intervals later than the newest before it, so that
/// neither a clock that is wrong nor a cluster that was switched off for weeks makes entries expire at once.
public struct ClusterTouch: Sendable {
    /// What is known of one server's journal.
    private struct Journal {
        var heartbeats: Set<Int> = []
        var resynced: Set<Int> = []
    }

    private let expire: Int
    private let names: [String]
    private var journals: [Journal]

    /// - Parameters:
    ///   - servers: names of all mailbox servers, in the configuration's order.
    ///   - expire: seconds.
    public init(servers: [String], expire: Int) {
        self.expire = expire
        names = servers
        journals = servers.map { _ in Journal() }
    }

    /// Seconds between two heartbeats: a day, less where entries are kept for days only.
    public var interval: Int { max(1, min(86_400, expire / 10)) }
    /// Seconds without a heartbeat after which a server has lost touch.
    private var limit: Int { expire / 2 }

    /// Takes a mark found in a server's journal; one that speaks of another server is of no effect.
    public mutating func add(_ mark: JournalMark, foundOn server: Int) {
        guard mark.server == names[server] else { return }
        switch mark.kind {
        case .heartbeat: journals[server].heartbeats.insert(mark.time)
        case .resynced: journals[server].resynced.insert(mark.time)
        }
    }

    /// All that a journal holds, after it was read from its beginning.
    public mutating func replace(_ marks: [JournalMark], foundOn server: Int) {
        journals[server] = Journal()
        for mark in marks { add(mark, foundOn: server) }
    }

    /// The marks of a server that are still of use: its newest, and those that entries kept now may depend on.
    public func marksToKeep(of server: Int, now: Int) -> [JournalMark] {
        let oldest = time(now: now) - expire
        func kept(_ times: Set<Int>) -> [Int] {
            let newest = times.max()
            return times.filter { $0 >= oldest || $0 == newest }.sorted()
        }
        return kept(journals[server].heartbeats).map { JournalMark(.heartbeat, server: names[server], time: $0) }
            + kept(journals[server].resynced).map { JournalMark(.resynced, server: names[server], time: $0) }
    }

    /// What time it is for the journals: the earlier of the own clock and the newest heartbeat.
    public func time(now: Int) -> Int {
        newest(now: now).map { min(now, $0) } ?? now
    }

    /// The time of a deletion made now: not before the newest heartbeat, where the own clock is behind.
    public func timeOfEntry(now: Int) -> Int {
        max(now, journals.lazy.flatMap(\.heartbeats).max() ?? now)
    }

    public func hasLostTouch(_ server: Int, now: Int) -> Bool {
        guard let newest = newest(now: now) else { return false }
        let due = newest - limit
        let points = history(of: server, now: now)
        guard let last = points.last else { return birth(now: now) < due }
        return last < due
            || zip(points, points.dropFirst()).contains { begin, end in
                end - begin > limit && wasMissed(server, between: begin, and: end)
            }
    }

    /// The newest heartbeat or mark of a server that can be believed.
    public func lastTouch(of server: Int, now: Int) -> Int? { history(of: server, now: now).last }

    /// A heartbeat that this server's journal should get now: its time, and whether it is a new one for the cluster.
    ///
    /// - Parameter patience: seconds that this proxy leaves to the others to be first.
    public func heartbeatDue(_ server: Int, now: Int, patience: Int) -> (time: Int, isNew: Bool)? {
        guard !hasLostTouch(server, now: now) else { return nil }
        guard let newest = newest(now: now) else { return (now, true) }
        if now >= newest + interval + patience { return (min(now, newest + 2 * interval), true) }
        return (history(of: server, now: now).last ?? 0) < newest ? (newest, false) : nil
    }

    /// Whether any journal has a heartbeat that can be believed.
    public func hasHeartbeats(now: Int) -> Bool { newest(now: now) != nil }

    /// The time that a mark of `covey resync` gets.
    public func timeOfResync(now: Int) -> Int { time(now: now) }

    /// A heartbeat later than the own clock: one of the two is wrong. It is not believed.
    public func heartbeatFromTheFuture(_ server: Int, now: Int) -> Int? {
        journals[server].heartbeats.max().flatMap { isBelievable($0, now: now) ? nil : $0 }
    }

    /// Whether the own clock is so far ahead of all heartbeats that one of them is wrong, or the cluster was off.
    public func isAheadOfHeartbeats(now: Int) -> Bool {
        newest(now: now).map { now > $0 + 3 * interval } ?? false
    }

    private func isBelievable(_ time: Int, now: Int) -> Bool { time <= now + interval }

    private func newest(now: Int) -> Int? {
        journals.lazy.flatMap(\.heartbeats).filter { isBelievable($0, now: now) }.max()
    }

    /// Whether some other server has a heartbeat between two of this one's.
    private func wasMissed(_ server: Int, between begin: Int, and end: Int) -> Bool {
        journals.indices.contains { other in
            other != server && journals[other].heartbeats.contains { begin < $0 && $0 < end }
        }
    }

    private func birth(now: Int) -> Int {
        journals.lazy.flatMap(\.heartbeats).filter { isBelievable($0, now: now) }.min() ?? now
    }

    /// Heartbeats from the last resync on, which stands for all before it.
    private func history(of server: Int, now: Int) -> [Int] {
        let heartbeats = journals[server].heartbeats.filter { isBelievable($0, now: now) }
        guard let mark = journals[server].resynced.filter({ isBelievable($0, now: now) }).max() else {
            return heartbeats.sorted()
        }
        return [mark] + heartbeats.filter { $0 > mark }.sorted()
    }
}
