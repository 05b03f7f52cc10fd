import CoveyCore
import Replication
import Synchronization
import Testing

private let key = ClusterKey(octets: Array(0..<32))

/// A stamped message: header, body, and the id that the hub would give it.
private func stamped(_ subject: String, body: String = "hello\r\n", received: Int = 0) -> (
    id: MaildropID, octets: [UInt8]
) {
    var hasher = ContentHasher(key: key)
    let fields = [HeaderField("Message-ID", " <\(subject)@x>"), HeaderField("Subject", " \(subject)")]
    for field in fields { hasher.add(field) }
    hasher.endHeader()
    Array(body.utf8).withUnsafeBytes { hasher.addBody($0) }
    let id = hasher.finish().description
    let trace = (0..<received).map { "Received: from hop\($0)\r\n\tby x\r\n" }.joined()
    let text =
        "Return-Path: <>\r\n\(trace)Message-ID: <\(subject)@x>\r\nSubject: \(subject)\r\nX-UIDL: \(id)\r\n\r\n\(body)"
    return (id, Array(text.utf8))
}

/// Maildrops of one user in memory.
private final class MemoryMaildrops: MaildropServer {
    struct Down: Error {}
    struct State {
        var messages: [(id: MaildropID, octets: [UInt8])] = []
        var isDown = false
        var refusal: String?
        var stored = 0
    }

    let name: String
    let state = Mutex(State())

    init(_ name: String, _ messages: [(id: MaildropID, octets: [UInt8])] = []) {
        self.name = name
        state.withLock { $0.messages = messages }
    }

    var ids: [MaildropID] { state.withLock { $0.messages.map(\.id) } }

    func open(_ user: String) async throws -> any MaildropSession {
        try state.withLock { if $0.isDown { throw Down() } }
        return MemorySession(self, state.withLock { $0.messages })
    }

    func store(_ copy: StoredCopy, for user: String) async -> String? {
        state.withLock { state in
            if let refusal = state.refusal { return refusal }
            state.stored += 1
            state.messages.append(
                (copy.stamp?.description ?? "cv0?", Array("Return-Path: <>\r\n".utf8) + copy.header + copy.body))
            return nil
        }
    }
}

private final class MemorySession: MaildropSession {
    private let server: MemoryMaildrops
    private let messages: [(id: MaildropID, octets: [UInt8])]

    init(_ server: MemoryMaildrops, _ messages: [(id: MaildropID, octets: [UInt8])]) {
        self.server = server
        self.messages = messages
    }

    var listing: ServerListing {
        ServerListing(
            server: 0,
            messages: messages.enumerated().map {
                .init(number: $0.offset + 1, id: $0.element.id, octets: $0.element.octets.count)
            })
    }

    func fetch(_ message: ServerListing.Message) async throws -> [UInt8] { messages[message.number - 1].octets }

    func remove(_ messages: [ServerListing.Message]) async throws {
        let ids = Set(messages.map(\.id))
        server.state.withLock { $0.messages.removeAll { ids.contains($0.id) } }
    }

    func close() async {}
}

@Suite(.timeLimit(.minutes(1))) struct ResyncTests {
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
