import CoveyCore
import NIOCore
import TestSupport
import Testing

@testable import MailNet

/// What sessions leave behind in the proxy's figures.
@Suite(.timeLimit(.minutes(5))) struct ProxyStatisticsTests {
    @Test func `a session is counted while it is open and after it has ended`() async throws {
        try await POP3ProxyFixture.run([script("ab"), script("ab", server: "b")]) { fixture in
            let client = try await fixture.loggedIn()
            #expect(fixture.proxy.figures.openSessions == 1)
            #expect(fixture.proxy.figures.connections == 1)
            #expect(fixture.proxy.figures.logins(.accepted) == 1)
            #expect(fixture.proxy.figures.loginLatency.count == 1)
            _ = try await client.command("RETR 1")
            _ = try await client.lines()
            _ = try await client.command("DELE 2")
            _ = try await client.command("QUIT")
            _ = await client.rest()
            let figures = fixture.proxy.figures
            #expect(figures.openSessions == 0)
            #expect(figures.ends == ["quit": 1])
            #expect(figures.retrieved == 1)
            #expect(figures.octets >= message("a").utf8.count)
            #expect(figures.deleted == 1)
            #expect(figures.failedUpdates == 0)
            #expect(figures.failoversFrom == [:])
        }
    }

    @Test func `a message that another server goes on with is a failover from the first`() async throws {
        var broken = script("a")
        broken.faults["RETR"] = .cut(after: 90)
        try await POP3ProxyFixture.run([broken, script("a", server: "b")]) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("RETR 1")
            #expect(try await client.lines().joined() == message("a"))
            let figures = fixture.proxy.figures
            #expect(figures.failoversFrom == ["a": 1])
            #expect(figures.recentFailovers.map { [$0.from, $0.to] } == [["a", "b"]])
            #expect(figures.retrieved == 1)
            #expect(figures.brokenOff == 0)
        }
    }

    @Test func `a message that nobody can bring to its end is broken off`() async throws {
        var broken = script("a")
        broken.faults["RETR"] = .cut(after: 90)
        try await POP3ProxyFixture.run([broken]) { fixture in
            let client = try await fixture.loggedIn()
            try await client.send("RETR 1\r\n")
            _ = await client.rest()
            #expect(fixture.proxy.figures.brokenOff == 1)
            #expect(fixture.proxy.figures.retrieved == 0)
            #expect(fixture.proxy.figures.ends == ["message_broken_off": 1])
        }
    }

    @Test func `refused and impossible logins are told apart, and who was left out`() async throws {
        try await POP3ProxyFixture.run([script("a"), script("a", server: "b")]) { fixture in
            let client = try await fixture.client()
            #expect(try await client.logIn(password: "wrong").hasPrefix("-ERR"))
            #expect(fixture.proxy.figures.logins(.refused) == 1)
            await fixture.servers[1].stop()
            _ = try await fixture.loggedIn()
            #expect(fixture.proxy.figures.leftOut == ["b": 1])
            await fixture.servers[0].stop()
            let third = try await fixture.client()
            #expect(try await third.logIn().hasPrefix("-ERR [SYS/TEMP]"))
            #expect(fixture.proxy.figures.logins(.unavailable) == 1)
            #expect(fixture.proxy.figures.loginLatency.count == 1)
        }
    }

    @Test func `connections beyond the limit are counted apart`() async throws {
        try await POP3ProxyFixture.run([script("a")], settings: { $0.maxConnections = 1 }) { fixture in
            let first = try await fixture.loggedIn()
            let second = try await fixture.client()
            _ = await second.rest()
            #expect(fixture.proxy.figures.connections == 1)
            #expect(fixture.proxy.figures.refusedConnections == 1)
            await first.close()
        }
    }

    @Test func `a server that three logins could not reach is skipped, and shown so`() async throws {
        try await POP3ProxyFixture.run([script("a"), script("a", server: "b")]) { fixture in
            #expect(fixture.proxy.servers.map(\.isSkipped) == [false, false])
            await fixture.servers[1].stop()
            for _ in 0..<3 { await (try await fixture.loggedIn()).close() }
            #expect(fixture.proxy.servers == [.init(name: "a", isSkipped: false), .init(name: "b", isSkipped: true)])
            #expect(fixture.proxy.isListening)
        }
    }
}
