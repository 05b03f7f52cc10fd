import MailWire
import Testing

@Suite struct SASLExchangeTests {
    private static func password(_ user: String, _ password: String) -> POP3Credentials {
        .password(user: user, POP3Password(octets: Array(password.utf8)))
    }

    @Test(arguments: [
        ("\0joe\0secret", "joe", "secret"), ("\0joe@example.com\0two words ", "joe@example.com", "two words "),
        ("joe\0joe\0secret", "joe", "secret"), ("\0jö\0geheim=ß", "jö", "geheim=ß"),
    ])
    func `PLAIN says name and password at once`(message: String, user: String, password: String) {
        var exchange = SASLExchange(.plain)
        #expect(exchange.firstChallenge == [])
        #expect(exchange.receive(Array(message.utf8)) == .credentials(Self.password(user, password)))
    }

    @Test func `PLAIN takes a password that is not UTF-8`() {
        var exchange = SASLExchange(.plain)
        #expect(
            exchange.receive([0, 0x6a, 0, 0xe9])
                == .credentials(.password(user: "j", POP3Password(octets: [0xe9]))))
    }

    @Test(arguments: [
        "", "joe", "\0joe", "\0joe\0", "\0\0secret", "\0joe\0secret\0", "boss\0joe\0secret", "\0joe\r\nDELE 1\0secret",
        "\0joe\0secret\r\nDELE 1", "\0jo\u{7f}e\0secret", "\0joe\0se\tcret",
    ])
    func `PLAIN takes nothing else, and nothing that would be a second command`(message: String) {
        var exchange = SASLExchange(.plain)
        #expect(exchange.receive(Array(message.utf8)) == .malformed)
    }

    @Test func `LOGIN asks for the name, then for the password`() {
        var exchange = SASLExchange(.login)
        #expect(exchange.firstChallenge == Array("Username:".utf8))
        #expect(exchange.receive(Array("joe".utf8)) == .challenge(Array("Password:".utf8)))
        #expect(exchange.receive(Array("two words".utf8)) == .credentials(Self.password("joe", "two words")))
    }

    @Test(arguments: ["", "jo\ne", "\u{0}"])
    func `LOGIN wants a name`(name: String) {
        var exchange = SASLExchange(.login)
        #expect(exchange.receive(Array(name.utf8)) == .malformed)
    }

    @Test(arguments: ["", "sec\nret"])
    func `LOGIN wants a password`(password: String) {
        var exchange = SASLExchange(.login)
        _ = exchange.receive(Array("joe".utf8))
        #expect(exchange.receive(Array(password.utf8)) == .malformed)
    }

    /// The first is RFC 7628 §4.1's example.
    @Test(arguments: [
        (
            "n,a=user@example.com,\u{1}host=server.example.com\u{1}port=143\u{1}auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u{1}\u{1}",
            "user@example.com"
        ),
        ("y,a=joe,\u{1}auth=Bearer x\u{1}\u{1}", "joe"), ("n,a=a=2Cb=3Dc,\u{1}auth=Bearer x\u{1}\u{1}", "a,b=c"),
    ])
    func `OAUTHBEARER tells the name and a token`(message: String, user: String) throws {
        var exchange = SASLExchange(.oauthBearer)
        #expect(exchange.firstChallenge == [])
        guard case .credentials(let credentials) = exchange.receive(Array(message.utf8)) else {
            Issue.record("refused")
            return
        }
        #expect(credentials.user == user)
        #expect(credentials.mechanism == .oauthBearer)
        // What goes to the servers is what came, under the mailbox's address.
        let sent = try #require(Base64.decode(credentials.named("a,b=c@x").message.octets))
        let pairs = try #require(message.firstIndex(of: "\u{1}").map { message[$0...] })
        #expect(String(decoding: sent, as: UTF8.self) == "n,a=a=2Cb=3Dc@x," + pairs)
    }

    @Test(arguments: [
        "", "\u{1}", "n,,\u{1}auth=Bearer x\u{1}\u{1}", "n,a=,\u{1}auth=Bearer x\u{1}\u{1}", "n,a=joe",
        "n,a=joe,\u{1}auth=Bearer x\u{1}", "n,a=joe,auth=Bearer x\u{1}\u{1}", "n,a=joe,\u{1}\u{1}",
        "n,a=joe,\u{1}host=x\u{1}\u{1}", "p=tls-unique,a=joe,\u{1}auth=Bearer x\u{1}\u{1}",
        "n,a=jo=2ce,\u{1}auth=Bearer x\u{1}\u{1}", "n,a=joe=,\u{1}auth=Bearer x\u{1}\u{1}",
        "n,a=joe,\u{1}auth=Bearer x\u{1}noise\u{1}\u{1}", "n,a=jo\ne,\u{1}auth=Bearer x\u{1}\u{1}",
        "n,a=joe,\u{1}auth=Bearer \0x\u{1}\u{1}",
    ])
    func `OAUTHBEARER takes nothing else`(message: String) {
        var exchange = SASLExchange(.oauthBearer)
        #expect(exchange.receive(Array(message.utf8)) == .malformed)
    }

    @Test func `XOAUTH2 tells the name and a token`() throws {
        var exchange = SASLExchange(.xoauth2)
        let outcome = exchange.receive(Array("user=joe\u{1}auth=Bearer x\u{1}\u{1}".utf8))
        guard case .credentials(let credentials) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(credentials.user == "joe")
        let sent = try #require(Base64.decode(credentials.named("joe@x").message.octets))
        #expect(String(decoding: sent, as: UTF8.self) == "user=joe@x\u{1}auth=Bearer x\u{1}\u{1}")
    }

    @Test(arguments: [
        "", "user=joe", "user=\u{1}auth=Bearer x\u{1}\u{1}", "user=joe\u{1}auth=Bearer x\u{1}",
        "joe\u{1}auth=Bearer x\u{1}\u{1}", "user=joe\u{1}\u{1}", "user=j\noe\u{1}auth=Bearer x\u{1}\u{1}",
    ])
    func `XOAUTH2 takes nothing else`(message: String) {
        var exchange = SASLExchange(.xoauth2)
        #expect(exchange.receive(Array(message.utf8)) == .malformed)
    }

    @Test func `nothing prints a password or a token`() {
        let credentials: [POP3Credentials] = [
            Self.password("joe", "hunter2"),
            .token(.xoauth2, user: "joe", rest: POP3Password(octets: Array("hunter2".utf8))),
        ]
        for value in credentials {
            var dumped = ""
            dump(value, to: &dumped)
            for text in ["\(value)", String(reflecting: value), dumped, "\(POP3Session.Action.logIn(value))"] {
                #expect(text.contains("joe"))
                #expect(!text.contains("hunter2"))
            }
            var command = ""
            dump(POP3BackendCommand.auth(.plain, initialResponse: value.message), to: &command)
            let message = String(decoding: value.message.octets, as: UTF8.self)
            #expect(!command.contains(message))
            #expect(!"\(POP3BackendCommand.auth(.plain, initialResponse: value.message))".contains(message))
        }
    }
}
