import MailWire
import NIOCore
import Testing

@Suite struct POP3SessionLoginTests {
    private func give(_ line: String, to session: inout POP3Session) -> (reply: String, action: POP3Session.Action) {
        var reply = ByteBuffer()
        let action = session.receive(.complete(ByteBuffer(string: line)), reply: &reply)
        return (String(buffer: reply), action)
    }

    private func base64(_ text: String) -> String { String(decoding: Base64.encode(text.utf8), as: UTF8.self) }

    private static let joe = POP3Session.Action.logIn(
        .password(user: "joe", POP3Password(octets: Array("secret".utf8))))

    private func session(tokens: Bool = false, utf8: Bool = false) -> POP3Session {
        var session = POP3Session()
        if tokens { session.offer.tokenMechanisms = SASLMechanism.byToken }
        session.offer.utf8 = utf8
        return session
    }

    @Test func `a bare AUTH lists the mechanisms`() {
        var session = session()
        #expect(give("AUTH", to: &session) == ("+OK SASL mechanisms follow.\r\nPLAIN\r\nLOGIN\r\n.\r\n", .proceed))
        session = self.session(tokens: true)
        #expect(give("AUTH", to: &session).reply.hasSuffix("\r\nPLAIN\r\nLOGIN\r\nOAUTHBEARER\r\nXOAUTH2\r\n.\r\n"))
    }

    @Test func `PLAIN with and without an initial response`() {
        var session = session()
        #expect(give("AUTH PLAIN AGpvZQBzZWNyZXQ=", to: &session) == ("", Self.joe))
        session = self.session()
        #expect(give("auth plain", to: &session) == ("+ \r\n", .proceed))
        #expect(session.isInExchange)
        #expect(give("AGpvZQBzZWNyZXQ=", to: &session) == ("", Self.joe))
        #expect(!session.isInExchange)
    }

    @Test func `LOGIN with and without the name up front`() {
        for line in ["AUTH LOGIN", "AUTH LOGIN \(base64("joe"))"] {
            var session = session()
            var last = give(line, to: &session)
            if line == "AUTH LOGIN" {
                #expect(last == ("+ \(base64("Username:"))\r\n", .proceed))
                last = give(base64("joe"), to: &session)
            }
            #expect(last == ("+ \(base64("Password:"))\r\n", .proceed))
            #expect(give(base64("secret"), to: &session) == ("", Self.joe))
        }
    }

    @Test func `a token is for the servers, and offered only where they all take it`() {
        let message = base64("user=joe\u{1}auth=Bearer x\u{1}\u{1}")
        var session = session()
        #expect(
            give("AUTH XOAUTH2 \(message)", to: &session)
                == ("-ERR Unsupported authentication mechanism.\r\n", .proceed))
        session = self.session(tokens: true)
        guard case .logIn(let credentials) = give("AUTH XOAUTH2 \(message)", to: &session).action else {
            Issue.record("no login")
            return
        }
        #expect(credentials.user == "joe")
        #expect(credentials.message.octets == Array(message.utf8))
    }

    @Test func `what a server says of a token is told before the refusal`() {
        for answer in ["AQ==", "*", "", "rubbish"] {
            var session = session(tokens: true)
            _ = give("AUTH OAUTHBEARER \(base64("n,a=joe,\u{1}auth=Bearer x\u{1}\u{1}"))", to: &session)
            var reply = ByteBuffer()
            #expect(session.loginFailed(.refused(challenge: Array("{}".utf8)), reply: &reply) == .proceed)
            #expect(String(buffer: reply) == "+ e30=\r\n")
            #expect(session.isInExchange)
            #expect(give(answer, to: &session) == ("-ERR [AUTH] Authentication failed.\r\n", .proceed))
            #expect(give("NOOP", to: &session).reply == "+OK\r\n")
        }
    }

    @Test func `three refused tokens end the session`() {
        var session = session(tokens: true)
        for attempt in 1...3 {
            _ = give("AUTH XOAUTH2 \(base64("user=joe\u{1}auth=Bearer x\u{1}\u{1}"))", to: &session)
            var reply = ByteBuffer()
            _ = session.loginFailed(.refused(challenge: []), reply: &reply)
            #expect(give("", to: &session).action == (attempt < 3 ? .proceed : .end))
        }
    }

    @Test(arguments: [
        (["AUTH PLAIN", "*"], "-ERR Authentication cancelled.\r\n"),
        (["AUTH LOGIN", "am9l", "*"], "-ERR Authentication cancelled.\r\n"),
        (["AUTH PLAIN !!!!"], "-ERR Invalid base64 data.\r\n"),
        (["AUTH PLAIN", "AGpvZQ"], "-ERR Invalid base64 data.\r\n"),
        (["AUTH LOGIN", "am9l", "=am9"], "-ERR Invalid base64 data.\r\n"),
        (["AUTH PLAIN ="], "-ERR Not a message of PLAIN that can be used here.\r\n"),
        (["AUTH PLAIN", ""], "-ERR Not a message of PLAIN that can be used here.\r\n"),
        (["AUTH PLAIN AGpvZQ=="], "-ERR Not a message of PLAIN that can be used here.\r\n"),
        (["AUTH LOGIN ="], "-ERR Not a message of LOGIN that can be used here.\r\n"),
        (["AUTH CRAM-MD5"], "-ERR Unsupported authentication mechanism.\r\n"),
        (["AUTH EXTERNAL ="], "-ERR Unsupported authentication mechanism.\r\n"),
        (["AUTH PLAIN AGpvZQBzZWNyZXQ= x"], "-ERR AUTH with an initial response takes no argument.\r\n"),
    ])
    func `an exchange that comes to nothing leaves the session as it was`(lines: [String], expected: String) {
        var session = session()
        _ = give("USER joe", to: &session)
        var last = ""
        for line in lines { last = give(line, to: &session).reply }
        #expect(last == expected)
        #expect(!session.isInExchange)
        #expect(give("PASS secret", to: &session) == ("", Self.joe))
    }

    @Test func `a line that is too long ends the exchange`() {
        var session = session()
        _ = give("AUTH PLAIN", to: &session)
        var reply = ByteBuffer()
        #expect(session.receive(.tooLong, reply: &reply) == .proceed)
        #expect(String(buffer: reply) == "-ERR Command line too long.\r\n")
        #expect(give("NOOP", to: &session).reply == "+OK\r\n")
    }

    @Test func `exchanges without end are bad commands`() {
        var session = session()
        for attempt in 1...POP3Limits.badCommands {
            _ = give("AUTH PLAIN", to: &session)
            #expect(give("*", to: &session).action == (attempt < POP3Limits.badCommands ? .proceed : .end))
        }
    }

    @Test func `after login there is no AUTH and no UTF8`() {
        var session = session(utf8: true)
        _ = give("AUTH PLAIN AGpvZQBzZWNyZXQ=", to: &session)
        var reply = ByteBuffer()
        _ = session.loggedIn([], reply: &reply)
        for line in ["AUTH", "AUTH PLAIN", "AUTH PLAIN AGpvZQBzZWNyZXQ=", "UTF8"] {
            #expect(give(line, to: &session) == ("-ERR Already logged in.\r\n", .proceed))
        }
    }

    @Test func `UTF8 is taken where all servers can do it`() {
        var session = session()
        #expect(give("UTF8", to: &session).reply.hasPrefix("-ERR "))
        #expect(!session.wantsUTF8)
        session = self.session(utf8: true)
        #expect(give("UTF8", to: &session).reply.hasPrefix("+OK "))
        #expect(session.wantsUTF8)
    }

    @Test(arguments: [
        ("LANG", "+OK Languages follow.\r\nen English\r\n.\r\n"), ("LANG EN", "+OK en Replies are in English.\r\n"),
        ("LANG *", "+OK en Replies are in English.\r\n"), ("LANG es", "-ERR That language is not spoken here.\r\n"),
    ])
    func `one language is spoken, before and after login`(line: String, expected: String) {
        var session = session()
        #expect(give(line, to: &session) == (expected, .proceed))
        _ = give("AUTH PLAIN AGpvZQBzZWNyZXQ=", to: &session)
        var reply = ByteBuffer()
        _ = session.loggedIn([], reply: &reply)
        #expect(give(line, to: &session) == (expected, .proceed))
    }
}
