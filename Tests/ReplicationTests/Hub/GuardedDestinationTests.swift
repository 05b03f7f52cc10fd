import MailWire
import Synchronization
import Testing

@testable import Replication

@Suite(.timeLimit(.minutes(1))) struct GuardedDestinationTests {
    static let envelope = Envelope(sender: "", recipients: ["u1@example.com", "u2@example.com"])

    /// A guarded server and how often it has returned.
    private struct Guarded {
        let server: StubDestination
        let guarded: GuardedDestination
        let returns: Counter

        init(
            _ outcome: RecipientOutcome, intervals: [Duration] = [.milliseconds(20)],
            idleInterval: Duration = .seconds(600)
        ) {
            let returns = Counter()
            server = StubDestination("a", outcome)
            self.returns = returns
            guarded = GuardedDestination(
                server, probeRecipient: "journal@example.com", logger: quiet, intervals: intervals,
                idleInterval: idleInterval
            ) { returns.increment() }
        }

        func deliver() async -> [RecipientOutcome] { await guarded.deliver(.small, to: envelope) }
    }

    private final class Counter: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func increment() { count.withLock { $0 += 1 } }
    }

    @Test(arguments: [RecipientOutcome.stored, .unknownUser, .full, .busy, .refused(.busy, .connect)])
    func `a server that answers, whatever it says, is up`(outcome: RecipientOutcome) async {
        let it = Guarded(outcome)
        #expect(await it.deliver() == [outcome, outcome])
        #expect(await it.deliver() == [outcome, outcome])
        #expect(it.guarded.isUp)
        #expect(it.server.deliveries.count == 2)
        #expect(it.server.probes.isEmpty)
    }

    @Test(arguments: [RecipientOutcome.down, .lost])
    func `after the first failure nobody waits, and the server is asked until it is back`(
        outcome: RecipientOutcome
    ) async {
        let it = Guarded(outcome)
        // The first delivery hears what happened to it.
        #expect(await it.deliver() == [outcome, outcome])
        #expect(!it.guarded.isUp)
        // The next ones are told at once, without the server.
        for outcome in await it.deliver() {
            guard case .unreachable = outcome else {
                Issue.record("\(outcome)")
                continue
            }
        }
        for outcome in await it.guarded.probe(Self.envelope) {
            guard case .unreachable = outcome else {
                Issue.record("\(outcome)")
                continue
            }
        }
        #expect(it.server.deliveries.count == 1)

        #expect(await eventually { it.server.probes.count >= 3 })
        #expect(it.returns.value == 0)
        #expect(it.server.probes.allSatisfy { $0 == Envelope(sender: "", recipients: ["journal@example.com"]) })

        // Any answer will do: the journal's mailbox may not be there yet.
        it.server.become(.unknownUser)
        #expect(await eventually { it.returns.value == 1 })
        #expect(it.guarded.isUp)
        let asked = it.server.probes.count
        try? await Task.sleep(for: .milliseconds(100))
        #expect(it.server.probes.count == asked, "a server that is up is not asked")
        #expect(it.returns.value == 1)
        #expect(await it.deliver() == [.unknownUser, .unknownUser])
    }

    @Test func `many deliveries that fail together are one outage, and each outage has one return`() async {
        let it = Guarded(.down)
        for outage in 1...3 {
            it.server.become(.down)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<20 { group.addTask { _ = await it.deliver() } }
            }
            #expect(!it.guarded.isUp)
            it.server.become(.stored)
            #expect(await eventually { it.returns.value == outage })
        }
        try? await Task.sleep(for: .milliseconds(100))
        #expect(it.returns.value == 3)
    }

    @Test func `probes are soon at first, then as far apart as the last interval says`() async {
        let it = Guarded(.down, intervals: [.milliseconds(1), .milliseconds(1), .seconds(600)])
        _ = await it.deliver()
        #expect(await eventually { it.server.probes.count == 3 })
        try? await Task.sleep(for: .milliseconds(150))
        #expect(it.server.probes.count == 3)
    }

    @Test func `at a start a server that is up has returned, one that is down will`() async {
        let up = Guarded(.stored)
        up.guarded.start()
        #expect(await eventually { up.returns.value == 1 })
        let down = Guarded(.down)
        down.guarded.start()
        #expect(await eventually { !down.guarded.isUp })
        #expect(down.returns.value == 0)
        down.server.become(.stored)
        #expect(await eventually { down.returns.value == 1 })
    }

    @Test func `a server that nobody delivers to is looked at, and found down and up again`() async {
        let it = Guarded(.stored, idleInterval: .milliseconds(20))
        it.guarded.start()
        #expect(await eventually { it.server.probes.count >= 3 })
        #expect(it.guarded.downReason == nil)
        it.server.become(.down)
        #expect(await eventually { it.guarded.downReason == "connection refused" })
        #expect(it.server.deliveries.isEmpty)
        it.server.become(.stored)
        #expect(await eventually { it.guarded.isUp })
        #expect(await eventually { it.returns.value == 2 })
        it.guarded.retire()
    }

    @Test func `a server that has been retired is looked at no more`() async {
        let it = Guarded(.stored, idleInterval: .milliseconds(10))
        it.guarded.start()
        #expect(await eventually { it.server.probes.count >= 2 })
        it.guarded.retire()
        // One look may have begun before.
        try? await Task.sleep(for: .milliseconds(100))
        let asked = it.server.probes.count
        try? await Task.sleep(for: .milliseconds(200))
        #expect(it.server.probes.count == asked)
    }
}
