import CoveyCore
import MailWire
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import MailNet

/// One test after another: many are about deadlines, and the others would keep the processors from meeting them.
@Suite(.serialized, .timeLimit(.minutes(1))) struct LMTPTests {}

/// The client under test against a scripted server, and what the tests say of both.
struct LMTPFixture {
    let scripted: ScriptedLMTPServer
    let client: LMTPServer

    /// - Parameter timeout: milliseconds for each reply and, where nothing else is said, for the connect.
    init(
        _ scripted: ScriptedLMTPServer, host: String? = nil, dialect: LMTPClientState.Dialect = .lmtp,
        timeout: Int64 = 10_000, connectTimeout: Int64? = nil, overall: Int64? = nil, idle: Int64? = nil,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton.next()
    ) {
        self.scripted = scripted
        var settings = LMTPServer.Settings(
            endpoint: Endpoint(host: host ?? scripted.host, port: scripted.port), dialect: dialect,
            heloName: "hub.example",
            connectTimeout: .milliseconds(connectTimeout ?? timeout), replyTimeout: .milliseconds(timeout))
        if let overall { settings.overallTimeout = .milliseconds(overall) }
        if let idle { settings.idleTime = .milliseconds(idle) }
        client = LMTPServer(name: "a", settings: settings, group: group)
    }

    func deliver(_ recipients: [String] = ["a@x"], _ message: OutgoingMessage = .small) async -> [RecipientOutcome] {
        await client.deliver(message, to: Envelope(sender: "s@y", recipients: recipients))
    }

    func probe(_ recipients: [String] = ["a@x"]) async -> [RecipientOutcome] {
        await client.probe(Envelope(sender: "s@y", recipients: recipients))
    }
}

extension OutgoingMessage {
    static let small = OutgoingMessage(
        header: ByteBuffer(string: "Subject: x\r\n\r\n"), body: BufferedBody(ByteBuffer(string: ".one\r\n..\r\n")))

    /// Lines of many lengths, some of dots, some long, every octet but bare line ends.
    static func large(_ length: Int) -> OutgoingMessage {
        var block: [UInt8] = []
        for number in 0..<600 {
            if number % 7 == 0 { block += Array(repeating: UInt8(ascii: "."), count: number % 4) }
            block += (0..<(number % 250)).map { UInt8(($0 * 31 + number) & 0xFF) }.filter { $0 != 10 && $0 != 13 }
            block += [13, 10]
        }
        var octets = ByteBuffer()
        octets.reserveCapacity(length + block.count)
        while octets.readableBytes < length { octets.writeBytes(block) }
        return OutgoingMessage(
            header: ByteBuffer(string: "Subject: large\r\n\r\n"), body: BufferedBody(octets))
    }

    /// As the server should see it.
    var octets: ByteBuffer {
        get throws {
            var octets = header
            var body = try self.body.read(at: 0, most: self.body.length)
            octets.writeBuffer(&body)
            return octets
        }
    }
}

extension RecipientOutcome {
    /// `accepted 250`, `refused 550 recipient`, `unreachable`, `unknown`.
    var kind: String {
        switch self {
        case .accepted(let reply): "accepted \(reply.code)"
        case .refused(let reply, let stage): "refused \(reply.code) \(stage)"
        case .unreachable: "unreachable"
        case .unknown: "unknown"
        }
    }

    var reason: String {
        switch self {
        case .accepted(let reply), .refused(let reply, _): "\(reply)"
        case .unreachable(let reason), .unknown(let reason): reason
        }
    }
}

/// Whether the condition comes true within 5 seconds.
func eventually(_ condition: () -> Bool) async throws -> Bool {
    for _ in 0..<6000 {
        if condition() { return true }
        try await Task.sleep(for: .milliseconds(5))
    }
    return condition()
}
