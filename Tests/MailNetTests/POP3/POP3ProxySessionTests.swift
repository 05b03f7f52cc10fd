import CoveyCore
import NIOCore
import TestSupport
import Testing

@testable import MailNet

@Suite(.timeLimit(.minutes(5))) struct POP3ProxySessionTests {
    @Test func `shows one maildrop made of both servers`() async throws {
        try await POP3ProxyFixture.run([script("ab"), script("bc", server: "bb")]) { fixture in
            let client = try await fixture.loggedIn()
            #expect(
                try await client.command("STAT") == "+OK 3 \(2 * message("a").utf8.count + message("a").utf8.count + 1)"
            )
            #expect(try await client.command("UIDL") == "+OK")
            #expect(try await client.lines() == ["1 \(stamp("a"))\r\n", "2 \(stamp("b"))\r\n", "3 \(stamp("c"))\r\n"])
            #expect(try await client.command("RETR 2") == "+OK \(message("b").utf8.count) octets")
            #expect(try await client.lines().joined() == message("b"))
            #expect(try await client.command("RETR 3") == "+OK \(message("c", server: "bb").utf8.count) octets")
            #expect(try await client.lines().joined() == message("c", server: "bb"))
            #expect(try await client.command("TOP 1 1").hasPrefix("+OK"))
            #expect(try await client.lines().joined() == message("a", body: "line one\r\n"))
            #expect(try await client.command("QUIT") == "+OK Logging out.")
            #expect(await client.rest() == "")
        }
    }

    @Test func `reads from the preferred server and shows its size`() async throws {
        try await POP3ProxyFixture.run(
            [script("a"), script("a", server: "other")], settings: { $0.preference = [1, 0] }
        ) { fixture in
            let client = try await fixture.loggedIn()
            let expected = message("a", server: "other")
            #expect(try await client.command("LIST 1") == "+OK 1 \(expected.utf8.count)")
            _ = try await client.command("RETR 1")
            #expect(try await client.lines().joined() == expected)
            #expect(!fixture.servers[0].lines.contains { $0.hasPrefix("RETR") })
        }
    }

    @Test func `answers pipelined commands in order`() async throws {
        try await POP3ProxyFixture.run([script("ab"), script("ab")]) { fixture in
            let client = try await fixture.client()
            try await client.send(
                "CAPA\r\nUSER U\nPASS secret\r\nSTAT\r\nRETR 1\r\nRETR 9\r\nDELE 1\r\nNOOP\r\nRETR 2\r\nQUIT\r\nNOOP\r\n"
            )
            let size = message("a").utf8.count
            let stuffed = { (letter: Character) in
                message(letter).replacing("\r\n.", with: "\r\n..")
            }
            let all = await client.rest()
            let afterCapabilities = all.split(separator: "\r\n.\r\n", maxSplits: 1)
            #expect(
                afterCapabilities.last.map { String($0) } == """
                    +OK\r\n+OK Logged in.\r\n+OK 2 \(2 * size)\r\n+OK \(size) octets\r\n\(stuffed("a")).\r
                    -ERR There's no message 9.\r\n+OK Marked to be deleted.\r\n+OK\r\n+OK \(size) octets\r\n\(stuffed("b")).\r
                    +OK Logging out, messages deleted.\r\n
                    """)
            for server in fixture.servers {
                #expect(server.lines.contains("USER u@example.com"), "lower-cased, with the default domain")
                #expect(server.uniqueIDs == [stamp("b")])
            }
        }
    }

    @Test func `tells a server that trusts it the client's address`() async throws {
        var trusting = script("a")
        trusting.greeting = "+OK [XCLIENT] Dovecot ready."
        try await POP3ProxyFixture.run([trusting, script("a")]) { fixture in
            _ = try await fixture.loggedIn()
            #expect(fixture.servers[0].lines.contains { $0.hasPrefix("XCLIENT ADDR=127.0.0.1 PORT=") })
            #expect(fixture.servers[1].lines.filter { $0 != "CAPA" }.first == "USER u@example.com")
        }
    }

    @Test func `a password travels as it was typed`() async throws {
        var odd = script("a")
        odd.password = " two  words "
        try await POP3ProxyFixture.run([odd]) { fixture in
            let client = try await fixture.client()
            #expect(try await client.logIn(password: " two  words ") == "+OK Logged in.")
        }
    }

    @Test func `a marked message is deleted in all copies on all servers`() async throws {
        try await POP3ProxyFixture.run([script("aba"), script("bca", server: "b")]) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 1")
            #expect(try await client.command("QUIT") == "+OK Logging out, messages deleted.")
            #expect(fixture.servers[0].uniqueIDs == [stamp("b")])
            #expect(fixture.servers[1].uniqueIDs == [stamp("b"), stamp("c")])
        }
    }

    @Test func `without QUIT nothing is deleted, and no server hears a QUIT`() async throws {
        try await POP3ProxyFixture.run([script("ab"), script("ab")]) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 1")
            await client.close()
            while fixture.proxy.connections > 0 { try await Task.sleep(for: .milliseconds(5)) }
            for server in fixture.servers {
                #expect(server.uniqueIDs.count == 2)
                #expect(!server.lines.contains { $0.hasPrefix("DELE") || $0 == "QUIT" })
            }
        }
    }

    @Test func `learns ids from headers where a server does not show stamps, once`() async throws {
        var bare = script("ab")
        bare.messages[0].uniqueID = "0001"
        bare.messages[0].content = "X-UIDL: \(stamp("a"))\r\n" + bare.messages[0].content
        bare.messages[1].uniqueID = "0002"
        try await POP3ProxyFixture.run([bare, script("a")]) { fixture in
            var listings: [[String]] = []
            for _ in 1...2 {
                let client = try await fixture.loggedIn()
                _ = try await client.command("UIDL")
                listings.append(try await client.lines())
                _ = try await client.command("QUIT")
            }
            #expect(listings[0].count == 2)
            #expect(listings[0][0] == "1 \(stamp("a"))\r\n")
            #expect(listings[0][1].hasPrefix("2 cv0"))
            #expect(listings[0] == listings[1])
            #expect(fixture.servers[0].lines.filter { $0.hasPrefix("TOP") } == ["TOP 1 0", "TOP 2 0"])
        }
    }

    @Test func `unstamped copies of one message are one, though their trace fields differ`() async throws {
        var first = script("a")
        var second = script("a", server: "a-longer-name")
        first.messages[0].uniqueID = "0001"
        second.messages[0].uniqueID = "f00d"
        try await POP3ProxyFixture.run([first, second]) { fixture in
            let client = try await fixture.loggedIn()
            #expect(try await client.command("STAT").hasPrefix("+OK 1 "))
        }
    }

    @Test func `passes a large message while the client is slow`() async throws {
        let line = String(repeating: "x", count: 998) + "\r\n"
        let body = String(repeating: line, count: 5_000)
        try await POP3ProxyFixture.run([script("a", body: body), script("a", server: "b", body: body)]) { fixture in
            let client = try await fixture.loggedIn()
            #expect(try await client.command("RETR 1") == "+OK \(message("a", body: body).utf8.count) octets")
            #expect(try await client.lines().joined() == message("a", body: body))
        }
    }
}
