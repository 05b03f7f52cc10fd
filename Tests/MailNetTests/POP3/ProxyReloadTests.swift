import Foundation
import TestSupport
import Testing

/// SIGUSR1 to covey-pop3d: another configuration, no session dropped.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ProxyReloadTests {
    private static func server(_ ids: String...) async throws -> ScriptedPOP3Server {
        var script = ScriptedPOP3Server.Script()
        script.messages = ids.map {
            .init(
                uniqueID: stamp(Character($0)), content: "Subject: \($0)\r\n\r\nbody of \($0)\r\n")
        }
        return try await ScriptedPOP3Server.start(script)
    }

    private static func letters(_ client: POP3TestClient) async throws -> [String] {
        _ = try await client.command("UIDL")
        return try await client.lines().map { line in
            ["a", "b", "c"].first { line.hasSuffix(" \(stamp(Character($0)))\r\n") } ?? line
        }
    }

    @Test func `new sessions see a server that was added, those under way go on without it`() async throws {
        let servers = [try await Self.server("a", "b"), try await Self.server("b", "c")]
        let proxy = try await ProxyProcess(servers: [servers[0]])
        let old = try await proxy.loggedIn()
        let waiting = try await POP3TestClient.connect(to: proxy.address)
        _ = try await waiting.line()
        try proxy.configure(servers: servers)
        try await proxy.reload()
        #expect(try await Self.letters(old) == ["a", "b"])
        _ = try await old.command("DELE 1")
        let new = try await proxy.loggedIn()
        #expect(try await Self.letters(new) == ["a", "b", "c"])
        #expect(try await old.command("QUIT").hasPrefix("+OK"))
        #expect(servers[0].uniqueIDs.count == 1 && servers[1].uniqueIDs.count == 2)
        // It has connected before the reload, and is as good as any.
        _ = try await waiting.command("USER u@example.com")
        #expect(try await waiting.command("PASS secret").hasPrefix("+OK"))
        #expect(try await Self.letters(waiting) == ["b"])

        // And without it again.
        try proxy.configure(servers: [servers[0]])
        try await proxy.reload()
        #expect(try await Self.letters(try await proxy.loggedIn()) == ["b"])
        #expect(try await Self.letters(new) == ["a", "b", "c"])
        for server in servers { await server.stop() }
    }

    @Test func `a broken file keeps the old configuration, and all that is wrong is told`() async throws {
        let servers = [try await Self.server("a"), try await Self.server("b")]
        let proxy = try await ProxyProcess(servers: [servers[0]])
        let session = try await proxy.loggedIn()
        try proxy.configure(servers: servers, pop3: ["auth = \"some\"", "max_connection = 3"])
        try await proxy.reload("not reloaded")
        try await proxy.waitForLog("pop3.auth")
        try await proxy.waitForLog("pop3.max_connection")
        try proxy.configure(servers: servers)
        unlink(proxy.directory + "/journal.password")
        try await proxy.reload("not reloaded")
        #expect(!proxy.log.contains("Configuration reloaded"))
        #expect(try await Self.letters(try await proxy.loggedIn()) == ["a"])
        #expect(try await Self.letters(session) == ["a"])
        try proxy.write("journal.password", "secret\n", mode: 0o600)
        try await proxy.reload()
        #expect(try await Self.letters(try await proxy.loggedIn()) == ["a", "b"])
        for server in servers { await server.stop() }
    }

    @Test func `the journal's password is read again`() async throws {
        let server = try await Self.server("a")
        let proxy = try await ProxyProcess(servers: [server])
        try proxy.write("journal.password", "another\n", mode: 0o600)
        try await proxy.reload()
        try await proxy.waitForLog("changed=journal")
        // The scripted server knows one password for all.
        try await proxy.waitForLog("journal cannot be read")
        #expect(server.lines.contains("PASS another"))
        try proxy.write("journal.password", "secret\n", mode: 0o600)
        try await proxy.reload()
        // The keeper with the wrong password has stopped: nobody uses it.
        let tries = server.lines.count { $0 == "PASS another" }
        let logins = server.lines.count { $0 == "PASS secret" }
        while server.lines.count(where: { $0 == "PASS secret" }) < logins + 5 {
            try await Task.sleep(for: .milliseconds(50))
        }
        let later = server.lines.count { $0 == "PASS another" }
        #expect(later <= tries + 1)
        await server.stop()
    }

    @Test func `fewer connections are allowed from then on, and listeners stay`() async throws {
        let server = try await Self.server("a")
        let proxy = try await ProxyProcess(servers: [server])
        let sessions = [try await proxy.loggedIn(), try await proxy.loggedIn()]
        try proxy.configure(servers: [server], pop3: ["max_connections = 1", "listen_tls = []"])
        let text = try String(contentsOfFile: proxy.directory + "/cluster.toml", encoding: .utf8)
        try proxy.write(
            "cluster.toml", text.replacing("listen = [\"127.", with: "listen = [\"127.0.0.1:1\", \"127."), mode: 0o644)
        try await proxy.reload()
        try await proxy.waitForLog("keys=pop3.listen")
        let refused = try await POP3TestClient.connect(to: proxy.address)
        #expect(try await refused.line().hasPrefix("-ERR [SYS/TEMP]"))
        for session in sessions { #expect(try await session.command("QUIT").hasPrefix("+OK")) }
        await server.stop()
    }

    @Test func `reloads under traffic drop no session`() async throws {
        let servers = [try await Self.server("a"), try await Self.server("a")]
        let proxy = try await ProxyProcess(servers: servers)
        let address = proxy.address
        let sessions = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<15 {
                        let client = try await ProxyProcess.loggedIn(at: address)
                        #expect(try await Self.letters(client) == ["a"])
                        #expect(try await client.command("RETR 1").hasPrefix("+OK"))
                        #expect(try await client.lines().contains("body of a\r\n"))
                        #expect(try await client.command("QUIT").hasPrefix("+OK"))
                    }
                    return 15
                }
            }
            for number in 0..<6 {
                try proxy.configure(
                    servers: number % 2 == 0 ? [servers[0]] : servers, pop3: ["login_timeout = \"\(number + 5)s\""])
                try await proxy.reload()
            }
            return try await group.reduce(0, +)
        }
        #expect(sessions == 60)
        for server in servers { await server.stop() }
    }
}
