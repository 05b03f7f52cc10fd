import MailWire
import NIOCore
import Testing

@Suite struct POP3ServerLoginTests {
    private typealias Step = POP3ServerLogin.Step

    private static let password = POP3Credentials.password(user: "joe@x", POP3Password(octets: Array("a b".utf8)))
    private static let rest = POP3Password(octets: Array("\u{1}auth=Bearer x\u{1}\u{1}".utf8))
    private static let xoauth2 = POP3Credentials.token(.xoauth2, user: "joe@x", rest: rest)
    private static let oauthBearer = POP3Credentials.token(.oauthBearer, user: "joe@x", rest: rest)

    private static let ok = POP3Status(isOK: true)
    private static let no = POP3Status(isOK: false, code: "AUTH", text: "No.")
    private static let later = POP3Status(isOK: false, code: "SYS/TEMP", text: "Later.")

    /// A login that has come to the credentials; with the step that shows them.
    private func login(
        _ credentials: POP3Credentials, capabilities: [String]
    ) -> (login: POP3ServerLogin, step: POP3ServerLogin.Step) {
        var login = POP3ServerLogin(credentials: credentials, client: nil, wantsUTF8: false)
        #expect(login.start(greeting: Self.ok) == .send(.capa))
        #expect(!login.hasShownCredentials)
        let step = login.received(capabilities: capabilities)
        return (login, step)
    }

    @Test func `a server that trusts us hears the client's address first`() {
        var login = POP3ServerLogin(credentials: Self.password, client: ("192.0.2.1", 5), wantsUTF8: false)
        let greeting = POP3Status(isOK: true, code: "XCLIENT")
        #expect(login.start(greeting: greeting) == .send(.xclient(address: "192.0.2.1", port: 5)))
        #expect(login.takesXCLIENT)
        #expect(login.received(Self.ok) == .send(.capa))
    }

    @Test func `a refused XCLIENT locks nobody out`() {
        var login = POP3ServerLogin(credentials: Self.password, client: ("192.0.2.1", 5), wantsUTF8: false)
        _ = login.start(greeting: POP3Status(isOK: true, code: "XCLIENT"))
        #expect(login.received(Self.no) == .send(.capa))
        #expect(!login.takesXCLIENT)
    }

    @Test func `a server that lists PLAIN gets one command`() {
        var (login, step) = login(Self.password, capabilities: ["SASL LOGIN PLAIN"])
        #expect(step == .send(.auth(.plain, initialResponse: Self.password.message)))
        #expect(login.hasShownCredentials)
        #expect(login.received(Self.ok) == .accepted)
    }

    @Test(arguments: [[], ["SASL"], ["SASL LOGIN"], ["USER", "SASL CRAM-MD5"]])
    func `another server gets USER and PASS`(capabilities: [String]) {
        var (login, step) = login(Self.password, capabilities: capabilities)
        #expect(step == .send(.user("joe@x")))
        #expect(!login.hasShownCredentials)
        #expect(login.received(Self.ok) == .send(.pass(POP3Password(octets: Array("a b".utf8)))))
        #expect(login.hasShownCredentials)
        #expect(login.received(Self.ok) == .accepted)
    }

    @Test(arguments: ["SASL PLAIN", ""])
    func `a refusal and a passing fault are told apart`(capability: String) {
        for (status, expected) in [
            (Self.no, Step.refused("[AUTH] No.", challenge: nil)), (Self.later, .leftOut("[SYS/TEMP] Later.")),
            (POP3Status(isOK: false, text: "wrong"), .refused("wrong", challenge: nil)),
        ] {
            var login = login(Self.password, capabilities: [capability]).login
            if capability.isEmpty { _ = login.received(Self.ok) }
            #expect(login.received(status) == expected)
        }
    }

    /// RFC 5034 §4: 255 octets with CRLF.
    @Test func `a message that would make the command too long waits to be asked for`() {
        // "AUTH PLAIN " and CRLF are 13; 240 characters of base 64 are 180 octets, of which three are the NULs and "j".
        for (length, fits) in [(177, true), (178, false), (5_000, false)] {
            let credentials = POP3Credentials.password(
                user: "j", POP3Password(octets: Array(repeating: UInt8(ascii: "x"), count: length)))
            var (login, step) = login(credentials, capabilities: ["SASL PLAIN"])
            #expect(step == .send(.auth(.plain, initialResponse: fits ? credentials.message : nil)))
            #expect(login.hasShownCredentials == fits)
            guard !fits else { continue }
            #expect(login.received(challenge: ByteBuffer()) == .respond(credentials.message))
            #expect(login.hasShownCredentials)
            #expect(login.received(Self.ok) == .accepted)
        }
    }

    @Test func `a token goes to servers that take it`() {
        var (taking, step) = login(Self.xoauth2, capabilities: ["SASL PLAIN XOAUTH2"])
        #expect(step == .send(.auth(.xoauth2, initialResponse: Self.xoauth2.message)))
        #expect(taking.received(Self.ok) == .accepted)
        #expect(
            login(Self.xoauth2, capabilities: ["SASL PLAIN OAUTHBEARER"]).step
                == .leftOut("it does not offer XOAUTH2"))
    }

    @Test(arguments: [(oauthBearer, "AQ=="), (xoauth2, "")])
    func `what a server says of a token comes with its refusal`(credentials: POP3Credentials, dismissal: String) {
        var login = login(credentials, capabilities: ["SASL OAUTHBEARER XOAUTH2"]).login
        let dismissed = Step.respond(POP3Password(octets: Array(dismissal.utf8)))
        #expect(login.received(challenge: ByteBuffer(string: "e30=")) == dismissed)
        #expect(login.received(Self.no) == .refused("[AUTH] No.", challenge: Array("{}".utf8)))
    }

    @Test func `a server that asks for more than there is, is left out`() {
        var plain = login(Self.password, capabilities: ["SASL PLAIN"]).login
        #expect(plain.received(challenge: ByteBuffer()) == .leftOut("AUTH: a challenge that nothing can be said to"))
        for second in ["e30=", "rubbish!"] {
            var token = login(Self.xoauth2, capabilities: ["SASL XOAUTH2"]).login
            if second == "e30=" { _ = token.received(challenge: ByteBuffer(string: "e30=")) }
            let step = token.received(challenge: ByteBuffer(string: second))
            #expect(step == .leftOut("AUTH: a challenge that nothing can be said to"))
        }
        let long = POP3Credentials.password(user: "j", POP3Password(octets: Array(repeating: 65, count: 500)))
        var early = login(long, capabilities: ["SASL PLAIN"]).login
        #expect(early.received(Self.ok) == .leftOut("AUTH: accepted before anything was shown"))
    }

    @Test func `UTF8 is asked for before the login, and a server without it is left out`() {
        for (status, expected) in [
            (Self.ok, Step.send(.user("joe@x"))), (Self.no, .leftOut("UTF8: [AUTH] No.")),
        ] {
            var login = POP3ServerLogin(credentials: Self.password, client: nil, wantsUTF8: true)
            _ = login.start(greeting: Self.ok)
            #expect(login.received(capabilities: []) == .send(.utf8))
            #expect(login.received(status) == expected)
        }
    }
}
