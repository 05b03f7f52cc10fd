import CoveyCore
import Testing

@Suite struct MissingCopyWatchTests {
    private static let day = 86_400
    private static let lifetime = QueueLifetime(messages: 5 * day, bounces: 2 * day)
    private static let refusal = "host b[192.0.2.22] said: 550 5.1.1 unknown (in reply to RCPT TO command)"
    private static let outage = "connect to b[192.0.2.22]:24: Connection refused"

    private func copy(
        _ id: String = "A", arrival: Int = 0, server: String = "b", _ reason: String? = outage, bounce: Bool = false,
        toExpire: Bool = false
    ) -> MissingCopy {
        MissingCopy(
            key: .init(queueID: id, arrival: arrival, recipient: "u1@example.com.\(server).covey.invalid"),
            server: server, reason: reason, isFromNobody: bounce, isToExpire: toExpire)
    }

    private func look(
        _ watch: inout MissingCopyWatch, _ now: Int, _ copies: MissingCopy...
    ) -> [MissingCopyWatch.Event] {
        var look = watch.look(at: now, lifetime: Self.lifetime)
        for copy in copies { look.take(copy) }
        return watch.finish(look).map(\.event)
    }

    @Test func `copies that wait for a server are counted, and nothing is said`() {
        var watch = MissingCopyWatch()
        #expect(look(&watch, 100, copy("A", arrival: 50), copy("B", arrival: 40), copy("A", server: "c", nil)) == [])
        #expect(watch.gauges.servers["b"] == .init(waiting: 2, oldestArrival: 40))
        #expect(watch.gauges.servers["c"] == .init(waiting: 1, oldestArrival: 0))
        #expect(watch.gauges.lookedAt == 100)
        // Delivered.
        #expect(look(&watch, 200) == [] && look(&watch, 300) == [])
        #expect(watch.gauges.servers == [:])
        #expect(watch.gauges.givenUp == 0)
    }

    @Test func `a refusal is said once`() {
        var watch = MissingCopyWatch()
        #expect(look(&watch, 0, copy()) == [])
        #expect(look(&watch, 300, copy("A", Self.refusal)) == [.refused])
        #expect(look(&watch, 600, copy("A", Self.refusal)) == [])
        // While a try is under way the queue gives no reason, and another day the server may be down.
        #expect(look(&watch, 900, copy("A", nil)) == [])
        #expect(look(&watch, 1200, copy()) == [])
        #expect(look(&watch, 1500, copy("A", Self.refusal)) == [])
        #expect(watch.gauges.servers["b"] == .init(waiting: 1, refused: 1, oldestArrival: 0))
    }

    @Test(arguments: [
        (false, 4 * day - 1, false), (false, 4 * day, true), (true, 1 * day - 1, false), (true, 1 * day, true),
    ])
    func `the last day is said once`(isBounce: Bool, age: Int, isEnding: Bool) {
        var watch = MissingCopyWatch()
        #expect(look(&watch, age, copy(bounce: isBounce)) == (isEnding ? [.ending] : []))
        #expect(look(&watch, age, copy(bounce: isBounce)) == [])
        #expect(watch.gauges.servers["b"]?.ending == (isEnding ? 1 : 0))
    }

    @Test func `one that is gone after its time was given up, and its last reason is kept`() {
        var watch = MissingCopyWatch()
        #expect(look(&watch, 5 * Self.day - 10, copy("A", Self.refusal)) == [.refused, .ending])
        #expect(look(&watch, 5 * Self.day + 10, copy("A", nil)) == [])
        #expect(look(&watch, 5 * Self.day + 310) == [])
        var last = watch.look(at: 5 * Self.day + 610, lifetime: Self.lifetime)
        last.take(copy("B", arrival: 5 * Self.day))
        #expect(watch.finish(last) == [.init(.givenUp, copy("A", Self.refusal))])
        #expect(watch.gauges.givenUp == 1)
        #expect(look(&watch, 5 * Self.day + 910) == [])
        #expect(watch.gauges.givenUp == 1)
    }

    @Test func `one that is gone before its time was delivered`() {
        var watch = MissingCopyWatch()
        #expect(look(&watch, 100, copy("A", Self.refusal)) == [.refused])
        #expect(look(&watch, 400) == [])
        // However long the next look takes to come.
        #expect(look(&watch, 9 * Self.day) == [.left])
        #expect(watch.gauges.givenUp == 0)
    }

    @Test func `one that a single look missed is not gone`() {
        var watch = MissingCopyWatch()
        #expect(look(&watch, 100, copy("A", Self.refusal)) == [.refused])
        #expect(look(&watch, 400) == [])
        #expect(look(&watch, 700, copy("A", Self.refusal)) == [])
        #expect(look(&watch, 1000) == [])
        #expect(look(&watch, 1300) == [.left])
    }

    @Test func `one that postsuper lets expire is near its end at once`() {
        var watch = MissingCopyWatch()
        #expect(look(&watch, 100, copy(toExpire: true)) == [.ending])
        #expect(look(&watch, 400) == [])
        #expect(look(&watch, 700) == [.givenUp])
    }

    @Test func `a reading that fails changes nothing`() {
        var watch = MissingCopyWatch()
        #expect(look(&watch, 100, copy("A", Self.refusal)) == [.refused])
        let before = watch.gauges
        for now in [400, 700, 1000] { _ = watch.look(at: now, lifetime: Self.lifetime) }
        #expect(watch.gauges == before)
        #expect(look(&watch, 1300, copy("A", Self.refusal)) == [])
    }

    @Test func `a queue id used again is another copy`() {
        var watch = MissingCopyWatch()
        #expect(look(&watch, 100, copy("A", Self.refusal)) == [.refused])
        #expect(look(&watch, 400, copy("A", arrival: 300, Self.refusal)) == [.refused])
        #expect(look(&watch, 700, copy("A", arrival: 300, Self.refusal)) == [.left])
    }

    @Test func `what is followed is bounded, what is counted is not`() {
        var watch = MissingCopyWatch(mostFollowed: 3)
        var first = watch.look(at: 100, lifetime: Self.lifetime)
        for number in 0..<10 { first.take(copy("Q\(number)", Self.refusal)) }
        #expect(watch.finish(first).count == 3)
        #expect(watch.gauges.servers["b"] == .init(waiting: 10, refused: 10, oldestArrival: 0))
        // Those that are followed stay so, in whatever order they come.
        var second = watch.look(at: 400, lifetime: Self.lifetime)
        for number in (0..<10).reversed() { second.take(copy("Q\(number)", Self.refusal)) }
        #expect(watch.finish(second) == [])
    }
}

@Suite struct QueueLifetimeTests {
    @Test(arguments: [
        ("5d", 432_000), ("5", 432_000), ("90s", 90), ("3m", 180), ("2h", 7200), ("1w", 604_800), ("0", 0),
    ])
    func `a time has a unit, or means days`(text: String, seconds: Int) {
        let output = "maximal_queue_lifetime = \(text)\nbounce_queue_lifetime = 1d\n"
        #expect(QueueLifetime(postconf: output) == QueueLifetime(messages: seconds, bounces: 86_400))
    }

    @Test(arguments: [
        "", "maximal_queue_lifetime = 5d\n", "maximal_queue_lifetime = x\nbounce_queue_lifetime = 1d\n",
        "maximal_queue_lifetime = -1d\nbounce_queue_lifetime = 1d\n", "5d\n5d\n",
    ])
    func `anything else is none`(output: String) {
        #expect(QueueLifetime(postconf: output) == nil)
    }
}

@Suite struct LineSplitterTests {
    @Test(arguments: 1...7)
    func `lines come whole, however the output is cut`(size: Int) {
        var splitter = LineSplitter(limit: 4)
        var lines: [String] = []
        var rest = Array("ab\n\nabcd\nabcde\nx\nlonger than that\ny\nz".utf8)[...]
        while !rest.isEmpty {
            splitter.take(rest.prefix(size)) { lines.append(String(decoding: $0, as: UTF8.self)) }
            rest = rest.dropFirst(size)
        }
        #expect(lines == ["ab", "", "abcd", "x", "y"])
        #expect(splitter.tooLong == 2)
        #expect(splitter.isInLine)
        splitter.take([UInt8(ascii: "\n")]) { lines.append(String(decoding: $0, as: UTF8.self)) }
        #expect(lines.last == "z" && !splitter.isInLine)
    }
}
