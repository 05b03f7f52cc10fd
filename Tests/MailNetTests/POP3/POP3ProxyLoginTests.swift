import MailNet
import MailWire
import NIOCore
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct POP3ProxyLoginTests {
    private typealias Script = ScriptedPOP3Server.Script

    private static let user = "u@example.com"

    private static func base64(_ text: String) -> String { String(decoding: Base64.encode(text.utf8), as: UTF8.self) }

    /// A server that lists those mechanisms and takes PLAIN and tokens for `u@example.com`.
    private static func sasl(_ letters: String, _ mechanisms: String = "PLAIN", password: String = "secret") -> Script {
        var script = script(letters)
        script.password = password
        script.capabilities = ["TOP", "UIDL", "SASL \(mechanisms)"]
        script.acceptedMessages = [
            base64("\0\(user)\0\(password)"), base64("n,a=\(user),\u{1}auth=Bearer good\u{1}\u{1}"),
            base64("user=\(user)\u{1}auth=Bearer good\u{1}\u{1}"),
        ]
        return script
    }

    /// A session that is offered what it needs: what servers can do is known a moment after the proxy's start.
    private func client(_ fixture: POP3ProxyFixture, offered capability: String) async throws -> POP3TestClient {
        while true {
            let client = try await fixture.client()
            _ = try await client.line()
            _ = try await client.command("CAPA")
            if try await client.lines().contains("\(capability)\r\n") { return client }
            await client.close()
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// USER and PASS, PLAIN and LOGIN, each towards servers with and without AUTH PLAIN.
    @Test(arguments: [
        ["USER u", "PASS "], ["AUTH PLAIN "], ["AUTH PLAIN", ""], ["AUTH LOGIN", "u", ""],
    ])
    func `a password reaches every server as it was typed, by whatever commands`(lines: [String]) async throws {
        let password = " two  \"words\" {1} \\ = + ü * "
        var plain = script("b")
        plain.password = password
        try await POP3ProxyFixture.run([Self.sasl("a", password: password), plain]) { fixture in
            let client = try await fixture.client()
            _ = try await client.line()
            var answer = ""
            for line in lines {
                switch line {
                case "PASS ": answer = try await client.command(line + password)
                case "AUTH PLAIN ": answer = try await client.command(line + Self.base64("\0U\0\(password)"))
                case "" where lines[0] == "AUTH PLAIN":
                    answer = try await client.command(Self.base64("\0u@Example.com\0\(password)"))
                case "": answer = try await client.command(Self.base64(password))
                case "u": answer = try await client.command(Self.base64("u"))
                default: answer = try await client.command(line)
                }
            }
            #expect(answer == "+OK Logged in.")
            #expect(try await client.command("STAT").hasPrefix("+OK 2 "))
            let message = Self.base64("\0\(Self.user)\0\(password)")
            #expect(fixture.servers[0].lines.contains("AUTH PLAIN \(message)"))
            #expect(!fixture.servers[0].lines.contains { $0.hasPrefix("USER") })
            #expect(fixture.servers[1].lines.suffix(4).contains("USER \(Self.user)"))
        }
    }

    @Test func `a password of a thousand octets waits until the server asks for it`() async throws {
        let password = String(repeating: "x", count: 1_000)
        try await POP3ProxyFixture.run([Self.sasl("a", password: password)]) { fixture in
            let client = try await fixture.client()
            _ = try await client.line()
            #expect(try await client.command("AUTH PLAIN") == "+ ")
            #expect(try await client.command(Self.base64("\0u\0\(password)")) == "+OK Logged in.")
            #expect(fixture.servers[0].lines.contains("AUTH PLAIN"))
        }
    }

    @Test(arguments: ["OAUTHBEARER", "XOAUTH2"])
    func `a token goes to all servers, under the mailbox's address`(mechanism: String) async throws {
        let both = "PLAIN OAUTHBEARER XOAUTH2"
        try await POP3ProxyFixture.run([Self.sasl("a", both), Self.sasl("b", both)]) { fixture in
            let client = try await client(fixture, offered: "SASL PLAIN LOGIN OAUTHBEARER XOAUTH2")
            let pairs = "\u{1}auth=Bearer good\u{1}\u{1}"
            let message = Self.base64(mechanism == "XOAUTH2" ? "user=U\(pairs)" : "n,a=U,\(pairs)")
            #expect(try await client.command("AUTH \(mechanism) \(message)") == "+OK Logged in.")
            #expect(try await client.command("STAT").hasPrefix("+OK 2 "))
        }
    }

    @Test func `tokens are offered only where all servers take them`() async throws {
        try await POP3ProxyFixture.run([Self.sasl("a", "PLAIN XOAUTH2"), Self.sasl("b", "PLAIN XOAUTH2 OAUTHBEARER")]) {
            fixture in
            let client = try await client(fixture, offered: "SASL PLAIN LOGIN XOAUTH2")
            #expect(try await client.command("AUTH OAUTHBEARER") == "-ERR Unsupported authentication mechanism.")
        }
    }

    @Test func `what a server says of a token reaches the client before the refusal`() async throws {
        var refusing = Self.sasl("a", "PLAIN OAUTHBEARER")
        let words = Self.base64(#"{"status":"invalid_token","scope":"mail"}"#)
        refusing.tokenChallenge = words
        try await POP3ProxyFixture.run([refusing, refusing]) { fixture in
            let client = try await client(fixture, offered: "SASL PLAIN LOGIN OAUTHBEARER")
            #expect(
                try await client.command("AUTH OAUTHBEARER \(Self.base64("n,a=u,\u{1}auth=Bearer old\u{1}\u{1}"))")
                    == "+ \(words)")
            #expect(try await client.command("AQ==") == "-ERR [AUTH] Authentication failed.")
            #expect(fixture.servers.contains { $0.lines.contains("AQ==") })
            let good = Self.base64("n,a=u,\u{1}auth=Bearer good\u{1}\u{1}")
            #expect(try await client.command("AUTH OAUTHBEARER \(good)") == "+OK Logged in.")
        }
    }

    @Test func `UTF8 is asked of every server before its login`() async throws {
        var first = Self.sasl("a")
        var second = script("b")
        first.capabilities?.append("UTF8 USER")
        second.capabilities = ["UTF8"]
        try await POP3ProxyFixture.run([first, second]) { fixture in
            let client = try await client(fixture, offered: "UTF8")
            #expect(try await client.command("UTF8").hasPrefix("+OK"))
            #expect(try await client.command("AUTH PLAIN \(Self.base64("\0u\0secret"))") == "+OK Logged in.")
            for server in fixture.servers {
                let lines = server.lines.filter { ["UTF8", "AUTH", "USER"].contains($0.prefix(4)) }
                #expect(lines.count == 2)
                #expect(lines.first == "UTF8")
            }
        }
    }

    @Test func `CAPA says the same before and after login`() async throws {
        try await POP3ProxyFixture.run([Self.sasl("a", "PLAIN XOAUTH2")]) { fixture in
            let client = try await client(fixture, offered: "SASL PLAIN LOGIN XOAUTH2")
            _ = try await client.command("CAPA")
            let before = try await client.lines()
            _ = try await client.command("AUTH PLAIN \(Self.base64("\0u\0secret"))")
            _ = try await client.command("CAPA")
            #expect(try await client.lines() == before)
            for capability in ["UIDL", "TOP", "PIPELINING"] { #expect(before.contains("\(capability)\r\n")) }
        }
    }

    /// With one delay at each server, one after the other would cost a user who mistypes many.
    @Test func `the first refusal counts, whatever the others still think about`() async throws {
        var slow = Self.sasl("a")
        slow.faults["AUTH"] = .stall
        try await POP3ProxyFixture.run([slow, Self.sasl("b")], settings: { $0.times.login = .minutes(5) }) { fixture in
            let client = try await fixture.client()
            #expect(try await client.logIn(password: "wrong") == "-ERR [AUTH] Authentication failed.")
        }
    }

    @Test func `a server that takes no XCLIENT is reported once`() async throws {
        var trusting = Self.sasl("a")
        trusting.greeting = "+OK [XCLIENT] Dovecot ready."
        let log = RecordedLog()
        try await POP3ProxyFixture.run([trusting, script("b")], log: log) { fixture in
            for _ in 1...3 { try await fixture.loggedIn().close() }
            let warnings = log.lines.filter { $0.contains("does not offer XCLIENT") }
            #expect(warnings.count == 1)
            #expect(warnings.allSatisfy { $0.hasPrefix("warning ") && $0.contains("server=b") })
        }
    }

    @Test func `neither password nor token is logged, whatever becomes of it`() async throws {
        let secrets = ["hunter2", "t0ken"]
        var bad = Self.sasl("a", "PLAIN XOAUTH2")
        var other = script("b")
        let log = RecordedLog()
        bad.faults["AUTH"] = .reply("-ERR no\r\n")
        other.capabilities = ["SASL XOAUTH2"]
        try await POP3ProxyFixture.run([bad, other], log: log) { fixture in
            let messages = [
                Self.base64("\0u\0hunter2"), Self.base64("user=u\u{1}auth=Bearer t0ken\u{1}\u{1}"),
                Self.base64("\0\(Self.user)\0hunter2"),
                Self.base64("user=\(Self.user)\u{1}auth=Bearer t0ken\u{1}\u{1}"),
            ]
            for fault: ScriptedPOP3Server.Fault in [
                .reply("-ERR no\r\n"), .reply("what?\r\n"), .reply("+ !\r\n"), .reply("+OK\r\n+OK\r\n"), .close,
            ] {
                fixture.servers[0].setFault(fault, for: "AUTH")
                let client = try await client(fixture, offered: "SASL PLAIN LOGIN XOAUTH2")
                for line in ["USER u", "PASS hunter2", "AUTH PLAIN \(messages[0])", "AUTH XOAUTH2 \(messages[1])"] {
                    // The third failed login ends the connection.
                    _ = try? await client.command(line)
                }
                await client.close()
            }
            while fixture.proxy.connections > 0 { try await Task.sleep(for: .milliseconds(5)) }
            #expect(log.lines.contains { $0.contains("session.refused_logins") })
            for secret in secrets + messages { #expect(!log.lines.contains { $0.contains(secret) }) }
        }
    }
}
