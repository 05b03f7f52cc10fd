import CoveyCore
import Foundation
import NIOCore
import TestSupport

/// covey-pop3d as a process before scripted mailbox servers, in a private directory.
final class ProxyProcess {
    struct Failure: Error, CustomStringConvertible { var description: String }

    private let folder: PrivateDirectory
    let address: SocketAddress
    private var process: ChildProcess?

    /// - Parameters:
    ///   - pop3: further lines of the table `[pop3]`.
    ///   - host: where to listen; nil for an address that nobody else has.
    ///   - prepare: puts further files into the directory.
    init(
        servers: [ScriptedPOP3Server], pop3: [String] = [], host: String? = nil,
        prepare: (_ directory: String) throws -> Void = { _ in }
    ) async throws {
        folder = try PrivateDirectory()
        address = try SocketAddress(ipAddress: host ?? LoopbackAddress.next(), port: Int.random(in: 20_000..<32_000))
        try write("cluster.key", Data(repeating: 0x41, count: 32).base64EncodedString() + "\n", mode: 0o600)
        try write("journal.password", "secret\n", mode: 0o600)
        try configure(servers: servers, pop3: pop3)
        try write("log", "", mode: 0o600)
        try prepare(directory)
        let own = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let folder = ProcessInfo.processInfo.environment["COVEY_BIN"].map { URL(filePath: $0) } ?? own
        process = try ChildProcess(
            [folder.appending(path: "covey-pop3d").path, "--config", directory + "/cluster.toml", "--host", "a"],
            log: directory + "/log")
        try await waitForLog("Ready")
    }

    // Before its directory goes.
    deinit { process = nil }

    var directory: String { folder.path }
    var log: String { folder.text(of: "log") }

    /// A session with its maildrop open.
    func loggedIn() async throws -> POP3TestClient { try await ProxyProcess.loggedIn(at: address) }

    static func loggedIn(at address: SocketAddress) async throws -> POP3TestClient {
        let client = try await POP3TestClient.connect(to: address)
        let reply = try await client.logIn()
        guard reply.hasPrefix("+OK") else { throw Failure(description: reply) }
        return client
    }

    /// Has the daemon read its configuration, and waits until it says what came of it.
    func reload(_ answer: String = "Configuration reloaded") async throws {
        let before = log.ranges(of: answer).count
        process?.send(SIGUSR1)
        try await waitForLog(answer, times: before + 1)
    }

    func waitForLog(_ text: String, times: Int = 1) async throws {
        for _ in 0..<2000 {
            if log.ranges(of: text).count >= times { return }
            guard process?.isRunning == true else { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw Failure(description: "covey-pop3d did not say \"\(text)\":\n\(log)")
    }

    func configure(servers: [ScriptedPOP3Server], pop3: [String] = [], journal: [String] = []) throws {
        let mailboxes = zip(["a", "b", "c"], servers).map { name, server in
            """
            [[mailbox]]
            name = "\(name)"
            addresses = ["\(server.endpoint.host)"]
            lmtp = "\(server.endpoint.host):9"
            pop3 = "\(server.endpoint.host):\(server.endpoint.port)"

            """
        }
        let text = """
            [cluster]
            domains = ["example.com"]

            [[hub]]
            name = "mh1"
            addresses = ["127.0.0.1"]

            \(mailboxes.joined(separator: "\n"))
            [[proxy]]
            name = "a"
            addresses = ["127.0.0.1"]

            [monitor]
            listen = "\(address.ipAddress ?? ""):9110"

            [pop3]
            listen = ["\(address.ipAddress ?? ""):\(address.port ?? 0)"]
            user = "root"
            \(pop3.joined(separator: "\n"))

            [journal]
            \(journal.joined(separator: "\n"))
            """
        try write("cluster.toml", text, mode: 0o644)
    }

    func write(_ name: String, _ text: String, mode: Int) throws {
        try folder.write(name, text, mode: mode)
    }
}
