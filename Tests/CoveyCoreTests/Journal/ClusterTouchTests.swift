import CoveyCore
import Testing

private let day = 86_400
private let now = 1_764_000_000

@Suite struct ClusterTouchTests {
    /// Heartbeats and resyncs of the servers a, b, …, in days before now.
    private func touch(_ heartbeats: [[Int]], resynced: [[Int]] = [], expire: Int = 10 * day) -> ClusterTouch {
        let names = ["a", "b", "c"]
        var touch = ClusterTouch(servers: names, expire: expire)
        for (server, days) in heartbeats.enumerated() {
            for ago in days {
                touch.add(.init(.heartbeat, server: names[server], time: now - ago * day), foundOn: server)
            }
        }
        for (server, days) in resynced.enumerated() {
            for ago in days {
                touch.add(.init(.resynced, server: names[server], time: now - ago * day), foundOn: server)
            }
        }
        return touch
    }

    static let cases: [(String, [[Int]], [[Int]], Bool)] = [
        ("a new cluster", [[], []], [], false),
        ("a new cluster, b not yet reached", [[0, 1], []], [], false),
        ("both in touch", [[0, 1, 2], [0, 1, 2]], [], false),
        ("b off for four days", [[0, 1, 2, 3, 4], [4]], [], false),
        ("b off for six days", [[0, 1, 2, 3, 4, 5, 6], [6]], [], true),
        ("b's journal empty in an old cluster", [Array(0...10), []], [], true),
        ("the whole cluster off for weeks", [[30, 31], [30, 31]], [], false),
        ("a heartbeat written to b before anybody knew", [Array(0...10), [0, 8, 9]], [], true),
        ("resynced after that", [Array(0...10), [0, 8, 9]], [[], [0]], false),
        ("resynced before that", [Array(0...10), [0, 8, 9]], [[], [9]], true),
        ("resynced, and away again", [Array(0...10), [9]], [[], [7]], true),
        ("an empty disk after its resync", [Array(0...10), []], [[], [1]], false),
    ]

    @Test(arguments: cases)
    func `a server has lost touch when its newest heartbeat is older than half of expire`(
        name: String, heartbeats: [[Int]], resynced: [[Int]], isLost: Bool
    ) {
        let touch = touch(heartbeats, resynced: resynced)
        #expect(touch.hasLostTouch(1, now: now) == isLost)
        #expect(!touch.hasLostTouch(0, now: now))
        #expect((touch.heartbeatDue(1, now: now + 3 * day, patience: 0) == nil) == isLost, "\(name)")
    }

    @Test func `where expire was made shorter, heartbeats that came by the old one are no gaps`() {
        let all = touch([[0, 1, 2, 3], [0, 1, 2, 3]], expire: day)
        #expect(!all.hasLostTouch(0, now: now) && !all.hasLostTouch(1, now: now))
        #expect(all.heartbeatDue(1, now: now + day, patience: 0) != nil)
        // One that was away meanwhile has lost it all the same.
        let one = touch([[0, 1, 2, 3], [0, 3]], expire: day)
        #expect(!one.hasLostTouch(0, now: now) && one.hasLostTouch(1, now: now))
    }

    @Test func `a heartbeat of another server has no effect`() {
        var touch = touch([Array(0...10), [8]])
        touch.add(.init(.heartbeat, server: "a", time: now), foundOn: 1)
        touch.add(.init(.resynced, server: "a", time: now), foundOn: 1)
        #expect(touch.hasLostTouch(1, now: now))
    }

    @Test func `a heartbeat is due a day after the newest, and where a journal lacks it`() {
        let touch = touch([[0, 1], [1]])
        #expect(touch.heartbeatDue(0, now: now, patience: 0) == nil)
        #expect(touch.heartbeatDue(0, now: now + day - 1, patience: 0) == nil)
        #expect(touch.heartbeatDue(0, now: now + day, patience: 1) == nil, "another proxy may be first")
        #expect(touch.heartbeatDue(0, now: now + day, patience: 0).map { $0 == (now + day, true) } == true)
        #expect(touch.heartbeatDue(1, now: now, patience: 0).map { $0 == (now, false) } == true)
    }

    @Test func `time goes by the earlier of clock and newest heartbeat, which goes on by two days at most`() {
        let touch = touch([[1], [1, 3]])
        #expect(touch.time(now: now) == now - day)
        #expect(touch.time(now: now - 2 * day) == now - 2 * day, "the heartbeats are from the future, and not believed")
        #expect(touch.heartbeatDue(0, now: now + 500 * day, patience: 0).map { $0 == (now + day, true) } == true)
        #expect(touch.isAheadOfHeartbeats(now: now + 500 * day))
        #expect(!touch.isAheadOfHeartbeats(now: now))
    }

    @Test func `a heartbeat from the future is told of and not believed`() {
        let touch = touch([[-4_000, 0, 1], [0, 1]])
        #expect(touch.heartbeatFromTheFuture(0, now: now) == now + 4_000 * day)
        #expect(touch.heartbeatFromTheFuture(1, now: now) == nil)
        #expect(touch.time(now: now) == now)
        #expect(!touch.hasLostTouch(1, now: now))
        #expect(touch.timeOfEntry(now: now) >= now)
    }

    @Test(arguments: [(10 * day, day), (100, 10), (5, 1)])
    func `where entries are kept for less, heartbeats come more often`(expire: Int, interval: Int) {
        #expect(touch([], expire: expire).interval == interval)
    }
}

@Suite struct JournalMarkTests {
    private let codec = JournalCodec(key: ClusterKey(octets: Array(0..<32)))

    /// Computed with Python, as the entries' vector.
    @Test func `a heartbeat's line equals the one another program computed, and is read back`() {
        let mark = JournalMark(.heartbeat, server: "a", time: 1_764_000_000)
        let line = codec.line(for: mark)
        #expect(line == "heartbeat 1764000000 a hrqcchgpzhkqi5mpyphi4exkku")
        #expect(codec.read(line) == .mark(mark))
        #expect(JournalCodec(key: ClusterKey(octets: Array(1..<33))).read(line) == .invalid)
        for place in line.indices where line[place] != "0" {
            var changed = line
            changed.replaceSubrange(place...place, with: "0")
            #expect(codec.read(changed) == .invalid, "\(changed)")
        }
    }
}
