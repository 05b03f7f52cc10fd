import MailNet
import NIOCore
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct POP3ProxyBadInputTests {
    @Test func `a line of a megabyte is answered once, and the session goes on`() async throws {
        try await POP3ProxyFixture.run([script("a")]) { fixture in
            let client = try await fixture.loggedIn()
            let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 64 * 1_024)
            for _ in 0..<16 { try await client.send(piece) }
            #expect(try await client.command("\r\nNOOP") == "-ERR Command line too long.")
            #expect(try await client.line() == "+OK")
        }
    }

    @Test func `binary rubbish is answered and in the end dismissed`() async throws {
        try await POP3ProxyFixture.run([script("a")]) { fixture in
            let client = try await fixture.client()
            var rubbish: [UInt8] = []
            for line in 0..<30 { rubbish += (0..<40).map { UInt8(($0 &* 37 &+ line &* 11) % 256) } + [0x0a] }
            try await client.send(rubbish)
            let lines = await client.rest().split(separator: "\r\n")
            #expect(lines.count == 21)
            #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("-ERR ") })
            #expect(lines.last == "-ERR Too many bad commands.")
        }
    }

    @Test func `a thousand silent connections do not keep others out`() async throws {
        try await POP3ProxyFixture.run([script("a")], settings: { $0.maxConnections = 20_000 }) { fixture in
            var silent: [POP3TestClient] = []
            for _ in 0..<1_000 { silent.append(try await fixture.client()) }
            for client in silent { #expect(try await client.line().hasPrefix("+OK")) }
            let client = try await fixture.loggedIn()
            #expect(try await client.command("STAT").hasPrefix("+OK 1 "))
            for client in silent { await client.close() }
        }
    }

    @Test func `one connection too many is told so`() async throws {
        try await POP3ProxyFixture.run([script("a")], settings: { $0.maxConnections = 2 }) { fixture in
            let first = try await fixture.loggedIn()
            let second = try await fixture.client()
            _ = try await second.line()
            let third = try await fixture.client()
            #expect(await third.rest() == "-ERR [SYS/TEMP] Too many connections, try again later.\r\n")
            await second.close()
            while fixture.proxy.connections > 1 { try await Task.sleep(for: .milliseconds(5)) }
            let fourth = try await fixture.client()
            #expect(try await fourth.line().hasPrefix("+OK"))
            #expect(try await first.command("NOOP") == "+OK")
        }
    }

    @Test func `a silent client is sent away, before login sooner than after`() async throws {
        try await POP3ProxyFixture.run(
            [script("a")],
            settings: {
                $0.times.beforeLogin = .seconds(3)
                $0.times.inactivity = .seconds(12)
            }
        ) { fixture in
            let client = try await fixture.loggedIn()
            let silent = try await fixture.client()
            let trickling = try await fixture.client()
            // Octets that make no command are no sign of life.
            for _ in 0..<16 {
                try? await trickling.send("x")
                try await Task.sleep(for: .milliseconds(250))
            }
            for client in [silent, trickling] {
                #expect(await client.rest().hasSuffix("-ERR Disconnected for inactivity.\r\n"))
            }
            #expect(try await client.command("DELE 1").hasPrefix("+OK"))
            #expect(await client.rest() == "-ERR Disconnected for inactivity.\r\n")
            let lines = fixture.servers[0].lines
            // An autologout removes nothing (RFC 1939 §3).
            #expect(!lines.contains { $0.hasPrefix("DELE") || $0 == "QUIT" }, "\(lines)")
        }
    }

    @Test func `servers are kept awake while the client is busy elsewhere`() async throws {
        try await POP3ProxyFixture.run([script("a")], settings: { $0.times.keepAlive = .milliseconds(50) }) { fixture in
            let client = try await fixture.loggedIn()
            while fixture.servers[0].lines.filter({ $0 == "NOOP" }).count < 2 {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(try await client.command("RETR 1").hasPrefix("+OK"))
        }
    }

    @Test func `stopping lets an open session end and ends the others`() async throws {
        try await POP3ProxyFixture.run([script("a"), script("a")]) { fixture in
            let client = try await fixture.loggedIn()
            let silent = try await fixture.client()
            _ = try await silent.line()
            let proxy = fixture.proxy
            async let stopped: Void = proxy.shutDown(grace: .seconds(20))
            #expect(await silent.rest() == "")
            _ = try await client.command("DELE 1")
            #expect(try await client.command("QUIT") == "+OK Logging out, messages deleted.")
            await stopped
            #expect(proxy.connections == 0)
            await #expect(throws: (any Error).self) { _ = try await fixture.client() }
        }
    }
}
