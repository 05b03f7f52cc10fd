import MailWire
import NIOCore
import Testing

@Suite struct POP3SessionTests {
    private typealias Message = POP3Session.Message

    private static let maildrop = [
        Message(uniqueID: "cv1a", octets: 100), Message(uniqueID: "cv1b", octets: 20),
        Message(uniqueID: "cv1c", octets: 3),
    ]

    /// Gives the session a command and returns its reply and action.
    private func give(_ line: String, to session: inout POP3Session) -> (reply: String, action: POP3Session.Action) {
        var reply = ByteBuffer()
        let action = session.receive(.complete(ByteBuffer(string: line)), reply: &reply)
        return (String(buffer: reply), action)
    }

    private func loggedIn(_ messages: [POP3Session.Message] = maildrop) -> POP3Session {
        var session = POP3Session()
        _ = give("USER joe", to: &session)
        _ = give("PASS secret", to: &session)
        var reply = ByteBuffer()
        _ = session.loggedIn(messages, reply: &reply)
        return session
    }

    @Test func `asks for the credentials to be checked`() {
        var session = POP3Session()
        #expect(give("USER joe", to: &session) == ("+OK\r\n", .proceed))
        #expect(
            give("PASS x y", to: &session)
                == ("", .logIn(.password(user: "joe", POP3Password(octets: Array("x y".utf8))))))
        var reply = ByteBuffer()
        #expect(session.loggedIn([], reply: &reply) == .proceed)
        #expect(String(buffer: reply) == "+OK Logged in.\r\n")
        #expect(session.isInTransaction)
    }

    @Test(arguments: [
        ("STAT", "+OK 3 123\r\n"), ("LIST", "+OK 3 messages:\r\n1 100\r\n2 20\r\n3 3\r\n.\r\n"),
        ("LIST 2", "+OK 2 20\r\n"), ("UIDL", "+OK\r\n1 cv1a\r\n2 cv1b\r\n3 cv1c\r\n.\r\n"),
        ("UIDL 3", "+OK 3 cv1c\r\n"), ("NOOP", "+OK\r\n"), ("RSET", "+OK\r\n"),
        ("LIST 4", "-ERR There's no message 4.\r\n"), ("UIDL 0", "-ERR There's no message 0.\r\n"),
        ("RETR 4", "-ERR There's no message 4.\r\n"), ("TOP 4 1", "-ERR There's no message 4.\r\n"),
        ("DELE 9223372036854775807", "-ERR There's no message 9223372036854775807.\r\n"),
        ("RETR 1 x", "-ERR Noise after message number.\r\n"), ("USER x", "-ERR Already logged in.\r\n"),
        ("FROB", "-ERR Unknown command.\r\n"), ("DELE 1", "+OK Marked to be deleted.\r\n"),
    ])
    func `answers from the maildrop`(line: String, expected: String) {
        var session = loggedIn()
        #expect(give(line, to: &session) == (expected, .proceed))
    }

    @Test(arguments: ["STAT", "LIST", "UIDL", "RETR 1", "TOP 1 1", "DELE 1", "RSET"])
    func `wants a login first`(line: String) {
        var session = POP3Session()
        #expect(give(line, to: &session) == ("-ERR Log in first.\r\n", .proceed))
    }

    @Test func `wants a user name before a password`() {
        var session = POP3Session()
        #expect(give("PASS x", to: &session) == ("-ERR No username given.\r\n", .proceed))
    }

    @Test func `marked messages are gone from every answer, their numbers stay`() {
        var session = loggedIn()
        _ = give("DELE 2", to: &session)
        #expect(give("STAT", to: &session).reply == "+OK 2 103\r\n")
        #expect(give("LIST", to: &session).reply == "+OK 2 messages:\r\n1 100\r\n3 3\r\n.\r\n")
        #expect(give("UIDL", to: &session).reply == "+OK\r\n1 cv1a\r\n3 cv1c\r\n.\r\n")
        for line in ["LIST 2", "UIDL 2", "RETR 2", "TOP 2 0", "DELE 2"] {
            #expect(give(line, to: &session) == ("-ERR Message is deleted.\r\n", .proceed))
        }
        #expect(give("QUIT", to: &session) == ("", .update([1])))
    }

    @Test func `RSET takes all marks back`() {
        var session = loggedIn()
        _ = give("DELE 1", to: &session)
        _ = give("DELE 3", to: &session)
        _ = give("RSET", to: &session)
        #expect(give("STAT", to: &session).reply == "+OK 3 123\r\n")
        #expect(give("QUIT", to: &session) == ("", .update([])))
    }

    @Test func `a message is framed by its status line and a dot`() {
        var session = loggedIn()
        #expect(give("RETR 1", to: &session) == ("", .retrieve(0, lines: nil)))
        var reply = ByteBuffer()
        session.retrievalBegins(octets: 100, reply: &reply)
        #expect(session.retrievalEnds(.complete, reply: &reply) == .proceed)
        #expect(String(buffer: reply) == "+OK 100 octets\r\n.\r\n")
        #expect(give("TOP 3 5", to: &session) == ("", .retrieve(2, lines: 5)))
    }

    @Test func `a message that cannot be had is a passing fault, one that breaks off ends the session without a dot`() {
        var session = loggedIn()
        _ = give("RETR 1", to: &session)
        var reply = ByteBuffer()
        #expect(session.retrievalEnds(.impossible, reply: &reply) == .proceed)
        #expect(String(buffer: reply).hasPrefix("-ERR [SYS/TEMP] "))
        _ = give("RETR 1", to: &session)
        reply.clear()
        #expect(session.retrievalEnds(.brokenOff, reply: &reply) == .end)
        #expect(reply.readableBytes == 0)
    }

    @Test(arguments: [
        (true, "+OK Logging out, messages deleted.\r\n"),
        (false, "-ERR [SYS/TEMP] some deleted messages not removed\r\n"),
    ])
    func `QUIT tells whether the deletions were done`(complete: Bool, expected: String) {
        var session = loggedIn()
        _ = give("DELE 1", to: &session)
        _ = give("QUIT", to: &session)
        var reply = ByteBuffer()
        #expect(session.updated(complete: complete, reply: &reply) == .end)
        #expect(String(buffer: reply) == expected)
    }

    @Test func `QUIT before login ends at once`() {
        var session = POP3Session()
        #expect(give("QUIT", to: &session) == ("+OK Logging out.\r\n", .end))
    }

    @Test func `three refused logins end the session`() {
        var session = POP3Session()
        for attempt in 1...3 {
            _ = give("USER joe", to: &session)
            _ = give("PASS wrong", to: &session)
            var reply = ByteBuffer()
            let action = session.loginFailed(.refused(), reply: &reply)
            #expect(String(buffer: reply) == "-ERR [AUTH] Authentication failed.\r\n")
            #expect(action == (attempt < 3 ? .proceed : .end))
        }
    }

    @Test func `a login without any server is a passing fault`() {
        var session = POP3Session()
        _ = give("USER joe", to: &session)
        _ = give("PASS secret", to: &session)
        var reply = ByteBuffer()
        #expect(session.loginFailed(.unavailable, reply: &reply) == .proceed)
        #expect(String(buffer: reply).hasPrefix("-ERR [SYS/TEMP] "))
        #expect(!session.isInTransaction)
    }

    @Test func `twenty bad commands end the session`() {
        var session = loggedIn()
        for _ in 1..<POP3Limits.badCommands {
            #expect(give("FROB", to: &session).action == .proceed)
        }
        #expect(give("FROB", to: &session) == ("-ERR Too many bad commands.\r\n", .end))
    }

    @Test func `an over-long line gets one clear answer`() {
        var session = POP3Session()
        var reply = ByteBuffer()
        #expect(session.receive(.tooLong, reply: &reply) == .proceed)
        #expect(String(buffer: reply) == "-ERR Command line too long.\r\n")
    }

    @Test func `shows the same capabilities before and after login`() {
        var before = POP3Session()
        var after = loggedIn()
        let reply = give("CAPA", to: &before).reply
        #expect(reply == give("CAPA", to: &after).reply)
        let lines = reply.components(separatedBy: "\r\n")
        for capability in ["TOP", "UIDL", "USER", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER"] {
            #expect(lines.contains(capability))
        }
        #expect(lines.suffix(2) == [".", ""])
    }

    @Test func `the greeting has no timestamp that would offer APOP`() {
        var reply = ByteBuffer()
        POP3Session().greet(reply: &reply)
        #expect(String(buffer: reply).hasPrefix("+OK "))
        #expect(!String(buffer: reply).contains("<"))
    }

    @Test func `an empty maildrop is no special case`() {
        var session = loggedIn([])
        #expect(give("STAT", to: &session).reply == "+OK 0 0\r\n")
        #expect(give("LIST", to: &session).reply == "+OK 0 messages:\r\n.\r\n")
        #expect(give("UIDL", to: &session).reply == "+OK\r\n.\r\n")
        #expect(give("RETR 1", to: &session).reply == "-ERR There's no message 1.\r\n")
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map { String($0) }
    }
}
