import CoveyCore
import MailNet
import NIOCore
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct POP3ProxyFaultTests {
    typealias Fault = ScriptedPOP3Server.Fault

    /// What may befall a server at login: it is left out, and the other serves.
    static let loginFaults: [(String, Fault)] = [
        ("greeting", .close), ("greeting", .stall), ("greeting", .reply("-ERR [SYS/TEMP] too busy\r\n")),
        ("greeting", .reply("220 this is SMTP\r\n")), ("greeting", .cut(after: 2)),
        ("USER", .close), ("USER", .stall), ("PASS", .close), ("PASS", .stall),
        ("PASS", .reply("-ERR [SYS/TEMP] internal error\r\n")), ("PASS", .reply("-ERR [IN-USE] locked\r\n")),
        ("PASS", .reply("what?\r\n")), ("PASS", .reply("+OK\r\n+OK\r\n")),
        ("UIDL", .reply("-ERR [SYS/TEMP] no\r\n")), ("UIDL", .close), ("UIDL", .stall), ("UIDL", .cut(after: 20)),
        ("UIDL", .reply("+OK\r\n1 x y z\r\n.\r\n")), ("LIST", .reply("+OK\r\n1 10\r\n2 x\r\n.\r\n")),
        ("LIST", .reply("+OK\r\n1 10\r\n.\r\n")), ("LIST", .replyAndClose("+OK\r\n1 10\r\n")),
        ("UIDL", .reply("+OK\r\n" + String(repeating: "9", count: 10_000))),
    ]

    @Test(arguments: loginFaults)
    func `a server that fails at login is left out`(command: String, fault: Fault) async throws {
        var bad = script("ab")
        bad.faults[command] = fault
        try await POP3ProxyFixture.run([bad, script("bc")], settings: times(for: fault)) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("UIDL")
            #expect(try await client.lines() == ["1 \(stamp("b"))\r\n", "2 \(stamp("c"))\r\n"])
            _ = try await client.command("RETR 2")
            #expect(try await client.lines().joined() == message("c"))
        }
    }

    @Test func `a server that is down is left out`() async throws {
        try await POP3ProxyFixture.run([script("a"), script("b")]) { fixture in
            await fixture.servers[0].stop()
            let client = try await fixture.loggedIn()
            #expect(try await client.command("UIDL 1") == "+OK 1 \(stamp("b"))")
        }
    }

    @Test func `without any server the fault is passing`() async throws {
        try await POP3ProxyFixture.run([script("a"), script("b")]) { fixture in
            for server in fixture.servers { await server.stop() }
            let client = try await fixture.client()
            #expect(try await client.logIn().hasPrefix("-ERR [SYS/TEMP] "))
        }
    }

    @Test(arguments: [
        (ClusterConfiguration.POP3.Auth.all, "-ERR [AUTH] Authentication failed."), (.any, "+OK Logged in."),
    ])
    func `one refusal counts as auth says`(auth: ClusterConfiguration.POP3.Auth, expected: String) async throws {
        var other = script("a")
        other.password = "different"
        try await POP3ProxyFixture.run([script("a"), other], settings: { $0.auth = auth }) { fixture in
            let client = try await fixture.client()
            #expect(try await client.logIn() == expected)
        }
    }

    @Test func `a refused login may be tried again, three times`() async throws {
        try await POP3ProxyFixture.run([script("a"), script("a")]) { fixture in
            let client = try await fixture.client()
            #expect(try await client.logIn(password: "wrong") == "-ERR [AUTH] Authentication failed.")
            _ = try await client.command("USER u")
            #expect(try await client.command("PASS secret") == "+OK Logged in.")

            let other = try await fixture.client()
            _ = try await other.logIn(password: "wrong")
            for _ in 1...2 {
                _ = try await other.command("USER u")
                _ = try await other.command("PASS wrong")
            }
            #expect(await other.rest() == "")
        }
    }

    /// What may befall the preferred server at RETR or TOP before the first octet has gone to the client.
    static let earlyFaults: [Fault] = [
        .close, .stall, .cut(after: 2), .cut(after: 7), .cut(after: 40), .reply("-ERR [SYS/TEMP] no\r\n"),
        .reply("+OK\r\n.\r\n"), .reply("+OK\r\nReceived: by a\r\n.\r\n"), .reply("rubbish\r\n"),
        .replyAndClose("+OK\r\nReceived: by a\r\n"),
    ]

    @Test(arguments: earlyFaults)
    func `another server steps in before the first octet`(fault: Fault) async throws {
        var bad = script("a")
        bad.faults["RETR"] = fault
        try await POP3ProxyFixture.run([bad, script("a", server: "bb")], settings: times(for: fault)) { fixture in
            let client = try await fixture.loggedIn()
            let expected = message("a", server: "bb")
            #expect(try await client.command("RETR 1") == "+OK \(expected.utf8.count) octets")
            #expect(try await client.lines().joined() == expected)
            #expect(try await client.command("NOOP") == "+OK")
        }
    }

    @Test func `another server goes on wherever the first one broke off in the body`() async throws {
        let whole = message("a")
        let answer = "+OK \(whole.utf8.count) octets\r\n" + whole.replacing("\r\n.", with: "\r\n..")
        let header = answer.utf8.count - "line one\r\n..dot\r\n...\r\nlast\r\n".utf8.count
        try await POP3ProxyFixture.run([script("a"), script("a", server: "bb")]) { fixture in
            for place in header...answer.utf8.count + 1 {
                fixture.servers[0].setFault(.cut(after: place), for: "RETR")
                let client = try await fixture.loggedIn()
                #expect(try await client.command("RETR 1") == "+OK \(whole.utf8.count) octets")
                #expect(try await client.lines().joined() == whole, "cut after \(place)")
                #expect(try await client.command("NOOP") == "+OK")
                await client.close()
            }
        }
    }

    @Test func `a short message with a perfect final dot is completed from another server`() async throws {
        var short = script("a")
        let cut = "Received: by a\r\nMessage-ID: <a@x>\r\nSubject: a\r\n\r\nline one\r\n"
        short.faults["RETR"] = .reply("+OK \(message("a").utf8.count) octets\r\n\(cut).\r\n")
        try await POP3ProxyFixture.run([short, script("a", server: "b")]) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("RETR 1")
            #expect(try await client.lines().joined() == message("a"))
        }
    }

    /// Mid-message faults that nobody can mend.
    static let hopeless: [(Fault, String)] = [
        (.cut(after: 90), "a"), (.cutAndStall(after: 90), "a"),
        (.reply("+OK\r\nSubject: a\r\n\r\nline one\r\n.\r\n"), "a"),
        // The other server has another body under that id.
        (.reply("+OK\r\nSubject: a\r\n\r\nanother body\r\n.\r\n"), "aa"), (.cut(after: 90), "a."),
    ]

    @Test(arguments: hopeless)
    func `a message that cannot be completed ends without the final dot`(fault: Fault, others: String) async throws {
        var bad = script("a")
        bad.faults["RETR"] = fault
        var scripts = [bad]
        if others == "aa" { scripts.append(script("a")) }
        if others == "a." { scripts.append(script("a", body: "LINE ONE\r\nquite another text of some length\r\n")) }
        try await POP3ProxyFixture.run(scripts, settings: times(for: fault)) { fixture in
            let client = try await fixture.loggedIn()
            #expect(try await client.command("RETR 1").hasPrefix("+OK"))
            let rest = await client.rest()
            #expect(!rest.hasSuffix("\r\n.\r\n"))
            #expect(rest.contains("\r\n\r\n"))
        }
    }

    @Test func `a message that no server can give now is refused, and the session goes on`() async throws {
        var bad = script("ab")
        bad.faults["RETR 1"] = .reply("-ERR [SYS/TEMP] unreadable\r\n")
        try await POP3ProxyFixture.run([bad]) { fixture in
            let client = try await fixture.loggedIn()
            #expect(try await client.command("RETR 1").hasPrefix("-ERR [SYS/TEMP] "))
            #expect(try await client.command("RETR 2").hasPrefix("+OK"))
            #expect(try await client.lines().joined() == message("b"))
        }
    }

    /// For servers that fall silent; where all answer, hundreds of tests at once do not reach the fixture's own times.
    private func times(for fault: Fault) -> (inout POP3ProxySettings) -> Void {
        switch fault {
        case .stall, .cutAndStall: quick
        default: { _ in }
        }
    }

    private func quick(_ settings: inout POP3ProxySettings) {
        settings.times.login = .seconds(6)
        settings.times.response = .seconds(3)
        settings.times.listing = .seconds(3)
    }
}
