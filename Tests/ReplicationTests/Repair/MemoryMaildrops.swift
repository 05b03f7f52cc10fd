import CoveyCore
import Synchronization

/// A stamped message: header, body, and the id that the hub would give it.
func stamped(_ subject: String, body: String = "hello\r\n", received: Int = 0) -> (
    id: MaildropID, octets: [UInt8]
) {
    var hasher = ContentHasher(key: MemoryMaildrops.key)
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
final class MemoryMaildrops: MaildropServer {
    static let key = ClusterKey(octets: Array(0..<32))

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
