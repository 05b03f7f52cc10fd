import MailWire
import NIOCore
import Testing

/// STLS (RFC 2595 §4).
@Suite struct POP3SessionTLSTests {
    private func give(_ line: String, to session: inout POP3Session) -> (reply: String, action: POP3Session.Action) {
        var reply = ByteBuffer()
        let action = session.receive(.complete(ByteBuffer(string: line)), reply: &reply)
        return (String(buffer: reply), action)
    }

    private func offersTLS(_ session: inout POP3Session) -> Bool {
        give("CAPA", to: &session).reply.split(separator: "\r\n").contains("STLS")
    }

    @Test func `is offered before and after login where there is a certificate, and no more under TLS`() {
        var session = POP3Session(tls: .offered)
        #expect(offersTLS(&session))
        #expect(give("STLS", to: &session) == ("+OK Begin TLS negotiation.\r\n", .startTLS))
        #expect(!offersTLS(&session))
        #expect(give("STLS", to: &session) == ("-ERR Command not permitted when TLS active.\r\n", .proceed))

        var plain = POP3Session(tls: .offered)
        _ = give("USER joe", to: &plain)
        _ = give("PASS secret", to: &plain)
        var reply = ByteBuffer()
        _ = plain.loggedIn([], reply: &reply)
        #expect(offersTLS(&plain))
        #expect(give("STLS", to: &plain) == ("-ERR Already logged in.\r\n", .proceed))
    }

    @Test func `is refused where there is no certificate, and under TLS from the start`() {
        var without = POP3Session()
        #expect(!offersTLS(&without))
        #expect(give("STLS", to: &without) == ("-ERR TLS is not available here.\r\n", .proceed))
        var implicit = POP3Session(tls: .active)
        #expect(!offersTLS(&implicit))
        #expect(give("STLS", to: &implicit).action == .proceed)
    }

    @Test func `takes no argument`() {
        var session = POP3Session(tls: .offered)
        #expect(give("STLS now", to: &session) == ("-ERR STLS takes no argument.\r\n", .proceed))
    }

    @Test func `forgets what was said in clear`() {
        var session = POP3Session(tls: .offered)
        _ = give("USER joe", to: &session)
        _ = give("STLS", to: &session)
        #expect(give("PASS secret", to: &session) == ("-ERR No username given.\r\n", .proceed))
    }

    @Test func `a login that was not tried for the address's failures does not blame the password`() {
        var session = POP3Session()
        for attempt in 1...3 {
            _ = give("USER joe", to: &session)
            _ = give("PASS secret", to: &session)
            var reply = ByteBuffer()
            let action = session.loginFailed(.tooManyFailures, reply: &reply)
            #expect(String(buffer: reply).hasPrefix("-ERR [SYS/TEMP] "))
            #expect(action == (attempt < 3 ? .proceed : .end))
        }
    }
}
