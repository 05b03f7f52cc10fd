import CoveyCore
import Logging
import Replication
import Synchronization
import Testing

/// A journal in memory, and servers that were up for as long as the test says.
private final class MemoryLog: DeletionLog {
    struct State {
        var deleted: Set<MaildropID> = []
        var outOfTouch: Set<String> = []
        var uptime: [String: Duration] = ["a": .zero, "b": .zero, "c": .zero]
    }
    let state = Mutex(State())

    func deletedIDs(of user: String, since: ContinuousClock.Instant?) async -> Set<MaildropID> {
        state.withLock(\.deleted)
    }
    func record(_ deletions: Deletions) async throws(DeletionLogError) -> ContinuousClock.Instant {
        throw .unavailable
    }
    func noteConfirmed(_ deletions: Deletions) async {}
    func serversOutOfTouch() async -> Set<String> { state.withLock(\.outOfTouch) }
    func watchedUptime() async -> [String: Duration] { state.withLock(\.uptime) }
}

@Suite(.timeLimit(.minutes(1))) struct HealerTests {
    private static let user = "u1@x"
    private let one = stamped("one")
    private let two = stamped("two", received: 2)
    private let log = MemoryLog()

    /// Lets a healer take one session's report after the other, each until it has nothing more to do.
    ///
    /// - Parameter healAfter: seconds.
    private func healer(_ servers: [MemoryMaildrops], healAfter: Int = 0) -> Healer {
        Healer(
            stores: servers, key: MemoryMaildrops.key, healAfter: .seconds(healAfter), log: log,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, pause: .zero)
    }

    /// A session that saw all servers that are up.
    private func session(_ healer: Healer, _ servers: [MemoryMaildrops]) async {
        let up = servers.filter { !$0.state.withLock(\.isDown) }
        var seen: Set<MaildropID> = []
        let all = up.flatMap(\.ids).filter { seen.insert($0).inserted && !log.state.withLock(\.deleted).contains($0) }
        let lacking = all.flatMap { id in
            up.filter { !$0.ids.contains(id) }.map { LackingCopy(id: id, server: $0.name) }
        }
        await healer.heal(
            HealingRequest(
                user: HealerTests.user, asked: Set(up.map(\.name)), lacking: lacking, maildrops: up))
    }

    @Test func `what a server lacks is copied to it with stamp and body`() async {
        let (a, b) = (MemoryMaildrops("a", [one, two]), MemoryMaildrops("b", [one]))
        let healer = healer([a, b])
        await session(healer, [a, b])
        #expect(await healer.figures == HealingFigures(made: 1))
        #expect(b.ids == [one.id, two.id])
        #expect(a.ids == [one.id, two.id])
        let copy = b.state.withLock { StoredCopy($0.messages[1].octets) }
        #expect(copy == StoredCopy(two.octets))
    }

    @Test func `not before heal_after of its time up`() async {
        let (a, b) = (MemoryMaildrops("a", [one]), MemoryMaildrops("b"))
        let healer = healer([a, b], healAfter: 100)
        await session(healer, [a, b])
        log.state.withLock { $0.uptime["b"] = .seconds(99) }
        await session(healer, [a, b])
        #expect(b.ids.isEmpty)
        log.state.withLock { $0.uptime["b"] = .seconds(100) }
        await session(healer, [a, b])
        #expect(b.ids == [one.id])
    }

    @Test func `what the journal names is not copied`() async {
        let (a, b) = (MemoryMaildrops("a", [one, two]), MemoryMaildrops("b"))
        let request = HealingRequest(
            user: HealerTests.user, asked: ["a", "b"],
            lacking: [one.id, two.id].map { LackingCopy(id: $0, server: "b") }, maildrops: [a, b])
        // Deleted in the very session that saw it, or meanwhile at another proxy.
        log.state.withLock { $0.deleted = [one.id] }
        await healer([a, b]).heal(request)
        #expect(b.ids == [two.id])
    }

    @Test func `what arrived meanwhile is not stored twice, and what is gone is not brought back`() async {
        let (a, b) = (MemoryMaildrops("a", [one]), MemoryMaildrops("b", [one]))
        let request = HealingRequest(
            user: HealerTests.user, asked: ["a", "b"],
            lacking: [one.id, two.id].map { LackingCopy(id: $0, server: "b") }, maildrops: [a, b])
        await healer([a, b]).heal(request)
        #expect(b.ids == [one.id])
        #expect(b.state.withLock(\.stored) == 0)
    }

    @Test func `a server that has lost touch is neither source nor target`() async {
        let (a, b, c) = (MemoryMaildrops("a", [one]), MemoryMaildrops("b", [two]), MemoryMaildrops("c", [one]))
        log.state.withLock { $0.outOfTouch = ["b"] }
        await session(healer([a, b, c]), [a, b, c])
        #expect(a.ids == [one.id])
        #expect(b.ids == [two.id])
        #expect(c.ids == [one.id])
    }

    @Test func `a copy that proves nothing is not spread`() async {
        var damaged = one
        damaged.octets.removeLast(3)
        let (a, b) = (MemoryMaildrops("a", [damaged]), MemoryMaildrops("b"))
        await session(healer([a, b]), [a, b])
        #expect(b.ids.isEmpty)
    }

    @Test func `two servers whose bodies agree are believed without a stamp that verifies`() async {
        var (x, y) = (one, one)
        x.octets = Array("X-Other: 1\r\nMessage-ID: <changed@x>\r\n".utf8) + one.octets.drop { $0 != 0x58 }
        y.octets = x.octets
        let servers = [MemoryMaildrops("a", [x]), MemoryMaildrops("c", [y]), MemoryMaildrops("b")]
        await session(healer(servers), servers)
        #expect(servers[2].ids.count == 1)
    }

    @Test func `a refused copy is tried again an hour of time up later`() async {
        let (a, b) = (MemoryMaildrops("a", [one]), MemoryMaildrops("b"))
        b.state.withLock { $0.refusal = "552 5.2.2 quota" }
        let healer = healer([a, b])
        await session(healer, [a, b])
        b.state.withLock { $0.refusal = nil }
        log.state.withLock { $0.uptime["b"] = .seconds(3_599) }
        await session(healer, [a, b])
        #expect(b.ids.isEmpty)
        log.state.withLock { $0.uptime["b"] = .seconds(3_600) }
        await session(healer, [a, b])
        #expect(b.ids == [one.id])
    }

    @Test func `two sessions at once make one copy`() async {
        let (a, b) = (MemoryMaildrops("a", [one]), MemoryMaildrops("b"))
        let healer = healer([a, b])
        async let first: Void = session(healer, [a, b])
        async let second: Void = session(healer, [a, b])
        _ = await (first, second)
        #expect(b.state.withLock(\.stored) == 1)
    }
}
