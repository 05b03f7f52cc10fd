import TestSupport
import Testing

@Suite struct ChaosCheckerTests {
    typealias Rule = ChaosViolation.Rule
    private static let places = ["proxy a", "proxy b", "server a", "server b"]

    private static func event(_ time: Double, _ kind: ChaosEvent.Kind, begin: Double? = nil) -> ChaosEvent {
        ChaosEvent(kind, user: "u", at: "a", time: time, begin: begin)
    }

    private static func ending(_ messages: [(id: String, message: Int?)]) -> [ChaosView] {
        places.map { ChaosView(place: $0, user: "u", messages: messages) }
    }

    /// Messages 1 and 2 arrive, 1 is deleted, 2 stays.
    private static let good = [
        event(1, .putOff(message: 1, "no answer")), event(2, .accepted(message: 1)), event(3, .accepted(message: 2)),
        event(4, .listed(["i1", "i2"])), event(5, .fetched("i1", message: 1)), event(6, .fetched("i2", message: 2)),
        event(7, .deleted(["i1"]), begin: 6.5), event(9, .listed(["i2"]), begin: 8), event(10, .fault("b is off")),
    ]
    private static let goodEnd = ending([("i2", 2)])

    private func rules(_ events: [ChaosEvent], _ views: [ChaosView]) -> Set<Rule> {
        Set(ChaosChecker.violations(in: events, endingIn: views).map(\.rule))
    }

    @Test func `a good history is good`() {
        #expect(rules(Self.good, Self.goodEnd).isEmpty)
    }

    struct Strange: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var events: [ChaosEvent]
        var end: [ChaosView]
    }

    static let strange: [Strange] = [
        Strange(
            testDescription: "a session that logged in before the QUIT was answered lists the message",
            events: good + [event(7.5, .listed(["i1", "i2"]), begin: 6.5)], end: goodEnd),
        Strange(
            testDescription: "a message is offered again while it is deleted, and listed by a login within a poll",
            events: good + [
                event(6.8, .accepted(message: 1)), event(8.5, .listed(["i1", "i2"]), begin: 7 + ChaosChecker.poll),
            ], end: goodEnd),
        Strange(
            testDescription: "a message whose 250 was lost is there",
            events: good + [event(11, .putOff(message: 3, "cut")), event(12, .fetched("i3", message: 3))],
            end: ending([("i2", 2), ("i3", 3)])),
        Strange(
            testDescription: "a message whose 250 was lost is not there",
            events: good + [event(11, .putOff(message: 3, "cut"))], end: goodEnd),
        Strange(
            testDescription: "a QUIT without an answer has deleted",
            events: good + [event(11, .notDeleted(["i2"], "cut"))], end: ending([])),
        Strange(
            testDescription: "a QUIT without an answer has not deleted",
            events: good + [event(11, .notDeleted(["i2"], "cut")), event(13, .listed(["i2"]), begin: 12)], end: goodEnd),
        Strange(
            testDescription: "two files of one id on one server", events: good,
            end: places.map {
                ChaosView(
                    place: $0, user: "u", messages: $0 == "server b" ? [("i2", 2), ("i2", 2)] : [("i2", 2)])
            }),
    ]

    @Test(arguments: strange)
    func `strange, and good`(history: Strange) {
        #expect(rules(history.events, history.end).isEmpty)
    }

    struct Broken: Sendable, CustomTestStringConvertible {
        var rule: Rule
        var events: [ChaosEvent] = []
        var end = goodEnd
        var testDescription: String { rule.rawValue }
    }

    static let broken: [Broken] = [
        Broken(rule: .refused, events: [event(11, .refused(message: 3, "550 no"))]),
        Broken(rule: .damaged, events: [event(11, .fetched("i2", message: nil))]),
        Broken(rule: .damaged, end: ending([("i2", nil)])),
        Broken(rule: .changedMeaning, events: [event(11, .fetched("i2", message: 4))]),
        Broken(rule: .changedMeaning, end: ending([("i2", 5)])),
        Broken(rule: .twice, events: [event(11, .listed(["i2", "i2"]))]),
        Broken(rule: .twice, events: [event(11, .fetched("i7", message: 2))]),
        Broken(rule: .twice, end: ending([("i2", 2), ("i7", 2)])),
        Broken(rule: .cameBack, events: [event(12, .listed(["i1", "i2"]), begin: 11)]),
        Broken(rule: .cameBack, events: [event(8, .listed(["i1", "i2"]), begin: 7.01)]),
        // Offered again, but before: what was stored then was deleted with it.
        Broken(
            rule: .cameBack,
            events: [event(6, .accepted(message: 1)), event(8, .listed(["i1", "i2"]), begin: 7.5)]),
        // Offered again, and too late for a reading from before the deletion.
        Broken(
            rule: .cameBack,
            events: [event(6.8, .accepted(message: 1)), event(9, .listed(["i1", "i2"]), begin: 8.01)]),
        Broken(rule: .cameBack, end: ending([("i1", 1), ("i2", 2)])),
        Broken(rule: .lost, end: ending([])),
        Broken(
            rule: .lost,
            end: places.map { ChaosView(place: $0, user: "u", messages: $0 == "server b" ? [] : [("i2", 2)]) }),
        Broken(
            rule: .unequal,
            events: [event(11, .fetched("i3", message: 3)), event(12, .notDeleted(["i3"], "cut"))],
            end: places.map {
                ChaosView(place: $0, user: "u", messages: $0 == "proxy b" ? [("i2", 2)] : [("i2", 2), ("i3", 3)])
            }),
    ]

    @Test(arguments: broken)
    func `broken, and found`(history: Broken) {
        #expect(rules(Self.good + history.events, history.end).contains(history.rule))
    }

    @Test func `every rule is broken once here`() {
        #expect(Set(Self.broken.map(\.rule)) == Set(Rule.allCases))
    }

    @Test func `the story is that of the message, with the faults, in order of time`() throws {
        let events = Self.good.shuffled() + [Self.event(12, .listed(["i1", "i2"]), begin: 11)]
        let found = ChaosChecker.violations(in: events, endingIn: Self.goodEnd)
        #expect(found.map(\.rule) == [.cameBack])
        let story = try #require(found.first).story
        #expect(story.map(\.time) == [1, 2, 4, 5, 7, 10, 12])
    }
}

@Suite struct ChaosScheduleTests {
    private func schedule(_ seed: UInt64, breaksAll: Bool = false) -> ChaosSchedule {
        ChaosSchedule(
            seed: seed, seconds: 600, hubs: ["mh1", "mh2"], mailboxes: ["a", "b", "c"], breaksAll: breaksAll)
    }

    @Test func `one seed, one schedule`() {
        #expect(schedule(1).items == schedule(1).items)
        #expect(schedule(1).items != schedule(2).items)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `mailbox servers break one after the other, with time between`(seed: UInt64) {
        let breaks = schedule(seed).items.filter { ["a", "b", "c"].contains($0.host) && $0.fault != .kill }
        #expect(breaks.count > 10)
        for (one, next) in zip(breaks, breaks.dropFirst()) {
            #expect(next.begin - one.end >= ChaosSchedule.settling)
        }
    }

    @Test func `on request they break at once`() {
        let breaks = schedule(3, breaksAll: true).items.filter {
            ["a", "b", "c"].contains($0.host) && $0.fault != .kill
        }
        #expect(zip(breaks, breaks.dropFirst()).contains { $0.end > $1.begin })
    }

    @Test func `every fault happens`() {
        let all: [ChaosSchedule.Fault] = [
            .powerOff, .unplug, .freeze, .fullDisk, .kill, .killServer, .holdQueue,
        ]
        for fault in all { #expect(schedule(1).items.contains { $0.fault == fault }, "\(fault)") }
    }
}
