import MailWire
import TestSupport
import Testing

extension RealServers {
    /// Logins at real Dovecots: by every mechanism, with a server whose logins are broken, and on whose account wrong
    /// passwords go. Tokens are JSON Web Tokens that the Dovecots check with a key of their own.
    @Suite(.lab(mailboxes: 2, suffix: "-logins")) struct Logins {
        private static let oddPassword = #" two  "words" {1} \ = + ü *"#
        private static let tokenKey = "lab secret"

        /// The lab, with Dovecots that take tokens.
        static func lab() throws -> Lab {
            let lab = try Lab.current
            guard try lab.attempt("a", ["test", "-e", "/etc/dovecot/oauth2.conf"]).status != 0 else { return lab }
            for server in lab.mailboxes { try lab.takeTokens(at: server, key: Logins.tokenKey) }
            // A proxy asks what servers can do at its start, at logins, and each minute.
            for proxy in lab.mailboxes {
                try lab.stop(.pop3d, on: proxy)
                try lab.start(.pop3d, on: proxy)
            }
            try lab.waitForHubsToSeeAllServers()
            return lab
        }

        @Test func `Every mechanism logs in at all servers, with odd passwords and with tokens`() throws {
            let lab = try Logins.lab()
            try lab.setPassword(of: "u2@example.com", to: Logins.oddPassword)
            try lab.deliver([note("Yours")], to: "u2@example.com")
            try lab.copies(for: "u2@example.com")
            let message = base64("\0U2@example.com\0\(Logins.oddPassword)")
            let good = try lab.token(for: "u2@example.com", key: Logins.tokenKey)
            let pairs = "\u{1}auth=Bearer \(good)\u{1}\u{1}"
            let dialogues = [
                ["USER u2@example.com", "PASS \(Logins.oddPassword)"], ["AUTH PLAIN \(message)"],
                ["AUTH PLAIN", message],
                ["AUTH LOGIN", base64("u2@example.com"), base64(Logins.oddPassword)],
                ["AUTH OAUTHBEARER", base64("n,a=U2@example.com,\(pairs)")],
                ["AUTH OAUTHBEARER \(base64("n,a=u2@example.com,\(pairs)"))"],
                ["AUTH XOAUTH2", base64("user=u2@example.com\(pairs)")],
            ]
            for dialogue in dialogues {
                let session = try lab.sessionOfferedTokens(at: "a")
                for line in dialogue.dropLast() {
                    let answer = try session.command(line)
                    #expect(answer.hasPrefix("+"), "\(dialogue[0].prefix(16)): \(answer)")
                }
                try session.expectOK(dialogue[dialogue.count - 1])
                #expect(try session.command("STAT").hasPrefix("+OK 1 "))
                #expect(try session.command("QUIT").hasPrefix("+OK"))
            }
            for server in lab.mailboxes {
                let methods = lab.log(of: "dovecot", on: server).filter { $0.contains("Login: user=<u2@example.com>") }
                    .compactMap { $0.firstMatch(of: /method=([A-Z0-9]+)/)?.1 }
                // USER and PASS as well as LOGIN go on as PLAIN.
                #expect(
                    methods.map(String.init)
                        == ["PLAIN", "PLAIN", "PLAIN", "PLAIN", "OAUTHBEARER", "OAUTHBEARER", "XOAUTH2"])
            }
            let secrets = [Logins.oddPassword, good, message]
            for proxy in lab.mailboxes {
                let log = lab.log(of: "covey-pop3d", on: proxy)
                for secret in secrets { #expect(!log.contains { $0.contains(secret) }) }
            }
        }

        @Test(arguments: [("OAUTHBEARER", "AQ==", "invalid_token"), ("XOAUTH2", "", "401")])
        func `What Dovecot says of a false token reaches the client`(
            mechanism: String, dismissal: String, status: String
        ) throws {
            let lab = try Logins.lab()
            let user = "u3@example.com"
            // Signed by somebody else, and another user's.
            for token in [
                try lab.token(for: user, key: "other"), try lab.token(for: "u4@example.com", key: Logins.tokenKey),
            ] {
                let session = try lab.sessionOfferedTokens(at: "b")
                let pairs = "\u{1}auth=Bearer \(token)\u{1}\u{1}"
                let message = base64(mechanism == "XOAUTH2" ? "user=\(user)\(pairs)" : "n,a=\(user),\(pairs)")
                #expect(try session.command("AUTH \(mechanism)") == "+ ")
                let answer = try session.command(message)
                #expect(answer.hasPrefix("+ "))
                let told = try #require(Base64.decode(Array(answer.utf8.dropFirst(2))))
                #expect(String(decoding: told, as: UTF8.self).contains(#""status":"\#(status)""#))
                #expect(try session.command(dismissal) == "-ERR [AUTH] Authentication failed.")
                #expect(try session.command("STAT") == "-ERR Log in first.")
            }
            try lab.forgetFailedLogins(at: "b")
        }

        @Test(arguments: POP3PublicSuites.logins + POP3PublicSuites.maildrops)
        func `The public suites' dialogues`(dialogue: POP3Dialogue) throws {
            let lab = try Logins.lab()
            let user = "u1@example.com"
            if try lab.stored(for: user, on: "a").isEmpty {
                try lab.deliver([note("One"), note("Two")], to: user)
                try lab.copies(for: user, count: 2)
            }
            do {
                let client = try POP3Connection(lab.address(of: "a"))
                _ = try client.line()
                for step in dialogue.steps {
                    try client.write(text(step.say.map { $0 + "\r\n" }.joined()))
                    for answer in step.hear { try client.expect(answer) }
                }
            }
            if dialogue.hasRefusal { try lab.forgetFailedLogins(at: "a") }
            #expect(try lab.stored(for: user, on: "a").count == 2)
        }
    }
}

private func base64(_ text: String) -> String { String(decoding: Base64.encode(text.utf8), as: UTF8.self) }

extension POP3Connection {
    /// Reads one answer, which has to be as told.
    fileprivate func expect(_ answer: POP3Dialogue.Answer) throws {
        switch answer {
        case .line(let pattern):
            let line = try line()
            #expect(try line.wholeMatch(of: Regex(pattern)) != nil, "\(pattern): \(line)")
        case .listing(let status, let patterns), .listingWith(let status, let patterns):
            let line = try line()
            #expect(line.hasPrefix(status), "\(line)")
            let lines = try lines()
            if case .listing = answer { #expect(lines.count == patterns.count, "\(lines)") }
            for pattern in patterns {
                #expect(try lines.contains { try $0.wholeMatch(of: Regex(pattern)) != nil }, "\(pattern): \(lines)")
            }
        case .end: #expect(try rest() == [])
        }
    }
}

extension Lab {
    /// Sets a user's password on all mailbox servers.
    fileprivate func setPassword(of user: String, to password: String) throws {
        for server in mailboxes {
            try exec(
                server, "python3", "-c",
                """
                import sys
                user, password = sys.argv[1:]
                path = "/etc/dovecot/users"
                lines = [line for line in open(path) if not line.startswith(user + ":")]
                open(path, "w").write("".join(lines) + user + ":{PLAIN}" + password + "::::::\\n")
                """, user, password)
            try exec(server, "doveadm", "reload")
        }
        // Its auth process answers nobody for some seconds after a reload, whoever asks: a sender would be put off.
        for server in mailboxes { try exec(server, "doveadm", "auth", "test", user, password) }
        try waitForHubsToSeeAllServers()
    }

    /// The proxy makes addresses wait from which many logins fail.
    fileprivate func forgetFailedLogins(at proxy: String) throws {
        try stop(.pop3d, on: proxy)
        try start(.pop3d, on: proxy)
    }
}
