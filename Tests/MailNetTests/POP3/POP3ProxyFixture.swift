import CoveyCore
import Logging
import MailNet
import NIOCore
import NIOPosix
import TestSupport

/// A proxy before scripted servers, all on loopback.
struct POP3ProxyFixture {
    let proxy: POP3ProxyServer
    let servers: [ScriptedPOP3Server]
    let address: SocketAddress

    /// Some of the tests wait for time-outs of a second or two: those of others must not come of the crowd.
    private static let turnstile = Turnstile(width: 8)

    /// Runs `body` with a proxy before one server for each script; stops all of them afterwards.
    static func run(
        _ scripts: [ScriptedPOP3Server.Script], deletionLog: any DeletionLog = NoDeletionLog(),
        settings change: (inout POP3ProxySettings) -> Void = { _ in }, log: RecordedLog? = nil,
        _ body: (POP3ProxyFixture) async throws -> Void
    ) async throws {
        try await turnstile.pass {
            try await runNow(scripts, deletionLog: deletionLog, settings: change, log: log, body)
        }
    }

    private static func runNow(
        _ scripts: [ScriptedPOP3Server.Script], deletionLog: any DeletionLog,
        settings change: (inout POP3ProxySettings) -> Void, log: RecordedLog?,
        _ body: (POP3ProxyFixture) async throws -> Void
    ) async throws {
        var servers: [ScriptedPOP3Server] = []
        for script in scripts { servers.append(try await ScriptedPOP3Server.start(script)) }
        var times = POP3ProxySettings.Times()
        times.login = .seconds(8)
        times.response = .seconds(5)
        times.listing = .seconds(8)
        times.update = .seconds(8)
        times.proxyHeader = .seconds(60)
        var settings = POP3ProxySettings(
            servers: zip(["a", "b", "c"], servers).map { .init(name: $0, endpoint: $1.endpoint) },
            preference: Array(servers.indices), auth: .all, defaultDomain: "example.com", maxConnections: 100,
            key: ClusterKey(octets: Array(0..<32)), times: times)
        change(&settings)
        let proxy = POP3ProxyServer(
            settings: settings, deletionLog: deletionLog, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test") { _ in log.map { $0.handler } ?? SwiftLogNoOpLogHandler() })
        let addresses = try await proxy.bind([Endpoint(host: LoopbackAddress.next(), port: 0)])
        let fixture = POP3ProxyFixture(proxy: proxy, servers: servers, address: addresses[0])
        do {
            try await body(fixture)
        } catch {
            await fixture.stop()
            throw error
        }
        await fixture.stop()
    }

    private func stop() async {
        await proxy.shutDown(grace: .zero)
        for server in servers { await server.stop() }
    }

    func client() async throws -> POP3TestClient {
        try await POP3TestClient.connect(to: address)
    }

    /// A client with its maildrop open.
    func loggedIn() async throws -> POP3TestClient {
        let client = try await client()
        let reply = try await client.logIn()
        guard reply == "+OK Logged in." else { throw Unexpected(reply: reply) }
        return client
    }

    struct Unexpected: Error {
        let reply: String
    }
}

/// A stamp: `cv1` and 26 times that letter.
/// The last character of 128 bits in base32 stands for three bits alone: "a" is one that occurs.
func stamp(_ letter: Character) -> String { "cv1" + String(repeating: letter, count: 25) + "a" }

/// A script with one message for each letter, stamped; bodies are the same on every server, headers are not.
func script(
    _ letters: String, server: String = "a", body: String = "line one\r\n.dot\r\n..\r\nlast\r\n"
) -> ScriptedPOP3Server.Script {
    var script = ScriptedPOP3Server.Script()
    script.messages = letters.map { letter in
        .init(uniqueID: stamp(letter), content: message(letter, server: server, body: body))
    }
    return script
}

func message(_ letter: Character, server: String = "a", body: String = "line one\r\n.dot\r\n..\r\nlast\r\n") -> String {
    "Received: by \(server)\r\nMessage-ID: <\(letter)@x>\r\nSubject: \(letter)\r\n\r\n\(body)"
}
