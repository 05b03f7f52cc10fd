/// Compares what the queue holds of missing copies from look to look, and says what an operator must hear: the MTA drops
/// such a copy without a bounce, because its sender was told 250.
///
/// Each state is told once for each copy. What waits as it should is only counted, so that a server's long outage with a
/// million copies costs no memory here.
public struct MissingCopyWatch: Sendable {
    /// What happened to a copy.
    public enum Event: Sendable, Equatable {
        /// The server refuses it for good.
        case refused
        /// The MTA will soon give it up.
        case ending
        /// It is gone, after its time was over: given up, if the very last try did not succeed.
        case givenUp
        /// One that was refused or near its end is gone before its time: delivered, or removed by hand.
        case left
    }

    public struct Report: Sendable, Equatable {
        public var event: Event
        public var copy: MissingCopy

        public init(_ event: Event, _ copy: MissingCopy) {
            self.event = event
            self.copy = copy
        }
    }

    /// Copies followed one by one at most; the others are counted.
    public static let mostFollowed = 10_000

    private struct Followed {
        var copy: MissingCopy
        var isRefused = false
        var isEnding = false
        /// The look that did not find it any more: its time, and the time that the copy had.
        var missedAt: Int?
        var lifetime: Int
    }

    private var followed: [MissingCopy.Key: Followed] = [:]
    public private(set) var gauges = MissingCopyGauges()
    private let mostFollowed: Int

    public init(mostFollowed: Int = mostFollowed) {
        self.mostFollowed = mostFollowed
    }

    /// One reading of the queue, under way. Thrown away when the reading fails: half a queue says nothing about what is
    /// not in it.
    public struct Look: Sendable {
        let now: Int
        let lifetime: QueueLifetime
        let known: Set<MissingCopy.Key>
        let room: Int
        var gauges: [String: MissingCopyGauges.Server] = [:]
        /// Those to be followed, new or known, with their states.
        var notable: [MissingCopy.Key: (copy: MissingCopy, isRefused: Bool, isEnding: Bool)] = [:]
        var added = 0

        /// - Parameter copy: each copy of the queue, in any order.
        public mutating func take(_ copy: MissingCopy) {
            let age = now - copy.key.arrival
            let isRefused = copy.isRefused
            let isEnding = copy.isToExpire || age >= lifetime.seconds(of: copy) - lifetime.lastPart(of: copy)
            var server = gauges[copy.server] ?? .init()
            server.waiting += 1
            if isRefused { server.refused += 1 }
            if isEnding { server.ending += 1 }
            server.oldestArrival = min(server.oldestArrival ?? .max, copy.key.arrival)
            gauges[copy.server] = server
            if !known.contains(copy.key) {
                guard isRefused || isEnding, notable[copy.key] == nil, added < room else { return }
                added += 1
            }
            notable[copy.key] = (copy, isRefused, isEnding)
        }
    }

    /// - Parameter now: seconds since 1970.
    public func look(at now: Int, lifetime: QueueLifetime) -> Look {
        Look(
            now: now, lifetime: lifetime, known: Set(followed.keys), room: max(0, mostFollowed - followed.count))
    }

    /// Ends a reading that saw the whole queue.
    ///
    /// - Returns: what is new since the last one, the oldest copies first.
    public mutating func finish(_ look: Look) -> [Report] {
        var reports: [Report] = []
        for (key, entry) in look.notable { reports += note(entry, key, look) }
        for (key, entry) in followed where look.notable[key] == nil {
            if let report = miss(entry, key, look.now) { reports.append(report) }
        }
        gauges.servers = look.gauges
        gauges.lookedAt = look.now
        gauges.givenUp += reports.count { $0.event == .givenUp }
        return reports.sorted {
            ($0.copy.key.arrival, $0.copy.key.queueID, $0.copy.key.recipient)
                < ($1.copy.key.arrival, $1.copy.key.queueID, $1.copy.key.recipient)
        }
    }

    private mutating func note(
        _ entry: (copy: MissingCopy, isRefused: Bool, isEnding: Bool), _ key: MissingCopy.Key, _ look: Look
    ) -> [Report] {
        let lifetime = entry.copy.isToExpire ? 0 : look.lifetime.seconds(of: entry.copy)
        var state = followed[key] ?? Followed(copy: entry.copy, lifetime: lifetime)
        // While a try is under way the queue shows no reason: the last one stays.
        if entry.copy.reason != nil || state.copy.reason == nil { state.copy = entry.copy }
        state.lifetime = lifetime
        state.missedAt = nil
        var reports: [Report] = []
        if entry.isRefused, !state.isRefused { reports.append(Report(.refused, state.copy)) }
        if entry.isEnding, !state.isEnding { reports.append(Report(.ending, state.copy)) }
        state.isRefused = state.isRefused || entry.isRefused
        state.isEnding = state.isEnding || entry.isEnding
        followed[key] = state
        return reports
    }

    /// Only the second look without it counts: Postfix moves messages from queue to queue while it lists them.
    private mutating func miss(_ entry: Followed, _ key: MissingCopy.Key, _ now: Int) -> Report? {
        guard let missedAt = entry.missedAt else {
            followed[key]?.missedAt = now
            return nil
        }
        followed[key] = nil
        // Postfix gives up at the first failed try after the time is over, never before.
        return Report(missedAt - key.arrival >= entry.lifetime ? .givenUp : .left, entry.copy)
    }
}
