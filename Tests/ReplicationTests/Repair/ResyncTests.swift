import CoveyCore
import Replication
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct ResyncTests {
    private let key = MemoryMaildrops.key
    private let one = stamped("one")
    private let two = stamped("two", received: 2)
    private let three = stamped("three", body: ".dot\r\n\r\nlast without end")
    private let old = stamped("old")

    private func run(
        _ target: MemoryMaildrops, from sources: [MemoryMaildrops], deleted: Set<MaildropID> = [],
        _ options: Resync.Options = .init()
    ) async -> Resync.Report {
        await Resync(
            target: target, sources: sources, key: key, options: options, deletedIDs: { _ in deleted }
        ).run("u1@x")
    }

    @Test func `adds what is missing with stamp and body as they were, and a second run does nothing`() async {
        let a = MemoryMaildrops("a", [one, two])
        let c = MemoryMaildrops("c", [two, three])
        let b = MemoryMaildrops("b", [one])
        let report = await run(b, from: [a, c])
        #expect(report.added == [two.id, three.id])
        #expect(report.isEqual)
        #expect(b.ids == [one.id, two.id, three.id])
        let copies = b.state.withLock { $0.messages.map { StoredCopy($0.octets) } }
        #expect(copies[1] == StoredCopy(two.octets))
        #expect(copies[2].body == Array(".dot\r\n\r\nlast without end".utf8))
        let again = await run(b, from: [a, c])
        #expect(!again.hasDifferences)
        #expect(b.state.withLock { $0.stored } == 2)
    }

    @Test func `tells after each message how far it has come`() async {
        var told: [[Int]] = []
        let resync = Resync(
            target: MemoryMaildrops("b", [one]), sources: [MemoryMaildrops("a", [one, two, three])], key: key,
            options: .init(), deletedIDs: { _ in [] })
        _ = await resync.run("u1@x") { told.append([$0, $1]) }
        #expect(told == [[1, 2], [2, 2]])
        _ = await resync.run("u1@x") { told.append([$0, $1]) }
        #expect(told.count == 2, "nothing was missing")
    }

    @Test func `removes what the journal names, and adds nothing of it`() async {
        let a = MemoryMaildrops("a", [one, two])
        let b = MemoryMaildrops("b", [one, old])
        let report = await run(b, from: [a], deleted: [old.id, two.id])
        #expect(report.removed == [old.id])
        #expect(report.added.isEmpty)
        #expect(b.ids == [one.id])
        #expect(report.isEqual)
    }

    @Test func `what only it holds is told, and removed on request alone`() async {
        let a = MemoryMaildrops("a", [one])
        let b = MemoryMaildrops("b", [one, old])
        let report = await run(b, from: [a])
        #expect(report.extra == [old.id])
        #expect(!report.isEqual)
        #expect(b.ids == [one.id, old.id])
        let dry = await run(b, from: [a], .init(isDryRun: true, prunes: true))
        #expect(dry.pruned == [old.id])
        #expect(b.ids == [one.id, old.id])
        #expect(await run(b, from: [a], .init(prunes: true)).isEqual)
        #expect(b.ids == [one.id])
    }

    @Test func `nothing is pruned while a server that may hold it cannot be asked`() async {
        let a = MemoryMaildrops("a", [one])
        let c = MemoryMaildrops("c", [old])
        c.state.withLock { $0.isDown = true }
        let b = MemoryMaildrops("b", [old])
        let report = await run(b, from: [a, c], .init(prunes: true))
        #expect(b.ids == [old.id, one.id])
        #expect(!report.isEqual)
        #expect(report.problems.count == 1)
    }

    @Test func `a dry run changes nothing`() async {
        let a = MemoryMaildrops("a", [one, two])
        let b = MemoryMaildrops("b", [old])
        let report = await run(b, from: [a], deleted: [old.id], .init(isDryRun: true))
        #expect(report.added == [one.id, two.id])
        #expect(report.removed == [old.id])
        #expect(b.ids == [old.id])
    }

    @Test func `of two copies that differ the one whose id verifies is taken`() async {
        var damaged = two
        damaged.octets.removeLast(4)
        let b = MemoryMaildrops("b")
        let report = await run(b, from: [MemoryMaildrops("a", [damaged]), MemoryMaildrops("c", [two])])
        #expect(report.isEqual)
        #expect(b.state.withLock { $0.messages.map { StoredCopy($0.octets).body } } == [StoredCopy(two.octets).body])
    }

    @Test func `two copies that differ and both fail are told of and not copied`() async {
        var (short, long) = (two, two)
        short.octets.removeLast(4)
        long.octets += Array("more\r\n".utf8)
        let b = MemoryMaildrops("b")
        let report = await run(b, from: [MemoryMaildrops("a", [short]), MemoryMaildrops("c", [long])])
        #expect(b.ids.isEmpty)
        #expect(report.problems.count == 1)
        #expect(!report.isEqual)
    }

    @Test func `a refusal is told of`() async {
        let b = MemoryMaildrops("b")
        b.state.withLock { $0.refusal = "552 5.2.2 quota" }
        let report = await run(b, from: [MemoryMaildrops("a", [one])])
        #expect(report.added.isEmpty)
        #expect(report.problems == ["\(one.id): b: 552 5.2.2 quota"])
    }

    @Test(arguments: [0, 1, 4])
    func `a stamp verifies with the hops' own Received fields above`(received: Int) throws {
        let message = stamped("s", received: received)
        let copy = StoredCopy(message.octets)
        let id = try #require(UniqueID(message.id))
        #expect(copy.stamp == id)
        #expect(copy.verifies(id, key: key))
        #expect(!copy.verifies(id, key: ClusterKey(octets: Array(1..<33))))
    }

    @Test func `a stamp does not verify another body`() throws {
        let message = stamped("s")
        let id = try #require(UniqueID(message.id))
        #expect(!StoredCopy(message.octets + [0x61]).verifies(id, key: key))
    }
}
