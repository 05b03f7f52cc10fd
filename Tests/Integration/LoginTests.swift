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
        private static func lab() throws -> Lab {
            let lab = try Lab.current
            guard try lab.attempt("a", ["test", "-e", "/etc/dovecot/oauth2.conf"]).status != 0 else { return lab }
            for server in lab.mailboxes { try lab.takeTokens(at: server, key: Logins.tokenKey) }
            // A proxy asks what servers can do at its start, at logins, and each minute.
            for proxy in lab.mailboxes {
                try lab.stop(.pop3d, on: proxy)
                try lab.start(.pop3d, on: proxy)
            }
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

        /// Facts 44. Dovecot's penalties are switched on here: they show on whose account it puts a wrong password.
        @Test func `A wrong password is charged to the client, once on each server, and never to a proxy`() throws {
            let lab = try Logins.lab()
            try lab.setPenalties(on: true)
            let before = lab.mailboxes.map { lab.log(of: "dovecot", on: $0).count }
            let answer = try lab.exec(
                "client", "python3", "-c",
                """
                import poplib
                p = poplib.POP3('\(lab.address(of: "a"))', 1100)
                p.user('u5@example.com')
                try: p.pass_('wrong')
                except poplib.error_proto as e: print(e)
                """)
            #expect(answer.text.contains("-ERR [AUTH] Authentication failed."))
            for server in lab.mailboxes {
                try lab.wait(
                    for: "a penalty for the host client at \(server)", { try lab.penalized(at: server) },
                    until: { $0.contains(lab.address(of: "client")) })
            }
            for (server, start) in zip(lab.mailboxes, before) {
                let penalized = try lab.penalized(at: server)
                for proxy in lab.mailboxes { #expect(!penalized.contains(lab.address(of: proxy)), "\(penalized)") }
                let lines = try lab.wait(
                    for: "a refusal in the log of \(server)",
                    { lab.log(of: "dovecot", on: server).dropFirst(start).filter { $0.contains("auth failed") } },
                    until: { !$0.isEmpty })
                #expect(lines.count == 1)
                for part in ["user=<u5@example.com>", "1 attempts", "rip=\(lab.address(of: "client")),"] {
                    #expect(lines[0].contains(part), "\(lines[0])")
                }
            }
            // Others, at the same proxies, are let in.
            for proxy in lab.mailboxes { #expect(try lab.maildrop(of: "u6@example.com", at: proxy) == []) }
            try lab.setPenalties(on: false)
        }

        @Test func `A server that does not trust the proxies is reported, once by each`() throws {
            let lab = try Logins.lab()
            func warnings(_ proxy: String) -> [String] {
                lab.log(of: "covey-pop3d", on: proxy).filter { $0.contains("does not offer XCLIENT") }
            }
            for proxy in lab.mailboxes { #expect(warnings(proxy) == []) }
            try lab.shell(
                "b",
                "sed -i 's/^login_trusted_networks/#&/' /etc/dovecot/local.conf"
                    + " && echo disable_plaintext_auth = no >>/etc/dovecot/local.conf && doveadm reload")
            for proxy in lab.mailboxes {
                try lab.wait(for: "the warning of proxy \(proxy)") {
                    _ = try lab.maildrop(of: "u6@example.com", at: proxy)
                    return !warnings(proxy).isEmpty
                }
                for _ in 1...3 { _ = try lab.maildrop(of: "u6@example.com", at: proxy) }
                #expect(warnings(proxy).count == 1)
                #expect(warnings(proxy)[0].contains("server=b"))
            }
            try lab.shell(
                "b",
                "sed -i 's/^#login_trusted_networks/login_trusted_networks/' /etc/dovecot/local.conf && doveadm reload")
        }

        /// The password database of b is lost: it refuses everybody, the journal too. Then it is back, but one user's
        /// password is another there.
        @Test func `A server that refuses everybody locks nobody out, one that refuses a user does`() throws {
            let lab = try Logins.lab()
            let user = "u7@example.com"
            try lab.deliver([note("Kept"), note("Deleted")], to: user)
            let copies = try lab.copies(for: user, count: 2)["a"]?.flatMap(\.ids) ?? []
            let ids = try lab.maildrop(of: user, at: "a")
            #expect(ids.sorted() == copies.sorted())
            try lab.shell(
                "b",
                "cp -p /etc/dovecot/users /root/users && sed -i 's/{PLAIN}[^:]*/{PLAIN}lost/' /etc/dovecot/users && doveadm reload"
            )
            try lab.wait(for: "the journal's login to be refused", within: 60) {
                lab.log(of: "covey-pop3d", on: "a").last { $0.contains("journal can") }?.contains("cannot be read")
                    == true
            }
            for proxy in lab.mailboxes {
                #expect(try lab.maildrop(of: user, at: proxy) == ids)
                let wrong = try POP3Connection(lab.address(of: proxy))
                _ = try wrong.line()
                try wrong.expectOK("USER \(user)")
                #expect(try wrong.command("PASS wrong") == "-ERR [AUTH] Authentication failed.", "a still knows")
            }
            let session = try lab.session(user, at: "a")
            try session.expectOK("DELE 2")
            #expect(try session.command("QUIT") == "+OK Logging out, messages deleted.")
            let line = try lab.wait(
                for: "the session's line", within: 10,
                { lab.log(of: "covey-pop3d", on: "a").last { $0.contains("session.user=\(user)") } },
                until: { $0?.contains("session.deleted=1") == true })
            for part in ["session.left_out=b (sick: it refuses the journal's login too: ", "session.journal_entries=1"]
            {
                #expect(line?.contains(part) == true, "\(line ?? "")")
            }

            try lab.shell("b", "cp /root/users /etc/dovecot/users && doveadm reload")
            try lab.wait(
                for: "one message on both", within: 60,
                {
                    _ = try? lab.maildrop(of: user, at: "b")
                    let session = try? lab.session(user, at: "b")
                    _ = try? session?.command("QUIT")
                    return try lab.counts(for: user)
                }, until: { $0 == [1, 1] })
            try lab.shell(
                "b", "sed -i 's/^\(user):{PLAIN}[^:]*/\(user):{PLAIN}other/' /etc/dovecot/users && doveadm reload")
            try lab.wait(for: "the refusal", within: 60) {
                let session = try POP3Connection(lab.address(of: "a"))
                _ = try session.line()
                try session.expectOK("USER \(user)")
                return try session.command("PASS secret") == "-ERR [AUTH] Authentication failed."
            }
            try lab.shell("b", "cp /root/users /etc/dovecot/users && doveadm reload")
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
    /// Lets a Dovecot take tokens that are signed with a key.
    fileprivate func takeTokens(at server: String, key: String) throws {
        try exec(
            server, "sh", "-c", "cat >>/etc/dovecot/local.conf",
            input: text(
                """
                auth_mechanisms = plain login oauthbearer xoauth2
                passdb {
                  driver = oauth2
                  mechanisms = oauthbearer xoauth2
                  args = /etc/dovecot/oauth2.conf
                }

                """))
        try exec(
            server, "sh", "-c", "cat >/etc/dovecot/oauth2.conf",
            input: text(
                """
                introspection_mode = local
                local_validation_key_dict = fs:posix:prefix=/etc/dovecot/keys/
                username_attribute = email

                """))
        try exec(
            server, "sh", "-c",
            "mkdir -p /etc/dovecot/keys/default/HS256 && cat >/etc/dovecot/keys/default/HS256/default",
            input: Base64.encode(key.utf8))
        try stop(.dovecot, on: server)
        try start(.dovecot, on: server)
    }

    /// A JSON Web Token (RFC 7519) for a user, valid for an hour.
    fileprivate func token(for user: String, key: String) throws -> String {
        try exec(
            "client", "python3", "-c",
            """
            import base64, hmac, json, sys, time
            encode = lambda octets: base64.urlsafe_b64encode(octets).rstrip(b"=")
            user, key = sys.argv[1:]
            now = int(time.time())
            parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": user, "email": user, "iat": now - 60, "exp": now + 3600}]
            text = b".".join(encode(json.dumps(part).encode()) for part in parts)
            print((text + b"." + encode(hmac.new(key.encode(), text, "sha256").digest())).decode())
            """, user, key
        ).line
    }

    /// A connection to a proxy that knows by now that its servers take tokens.
    fileprivate func sessionOfferedTokens(at proxy: String) throws -> POP3Connection {
        try wait(
            for: "tokens at proxy \(proxy)", within: 90,
            {
                let session = try POP3Connection(address(of: proxy))
                _ = try session.line()
                try session.expectOK("CAPA")
                return (session, try session.lines())
            }, until: { $0.1.contains("SASL PLAIN LOGIN OAUTHBEARER XOAUTH2") }
        ).0
    }

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
    }

    /// Switches Dovecot's delays for addresses on, which Covey's lines for Dovecot switch off.
    fileprivate func setPenalties(on: Bool) throws {
        for server in mailboxes {
            try exec(
                server, "sh", "-c", "cat >>/etc/dovecot/local.conf",
                input: text(
                    """
                    service anvil {
                      unix_listener anvil-auth-penalty {
                        mode = \(on ? "0600" : "0")
                      }
                    }

                    """))
            // After a reload with other listeners Dovecot cannot reach its own anvil.
            try stop(.dovecot, on: server)
            try start(.dovecot, on: server)
        }
    }

    /// The proxy makes addresses wait from which many logins fail.
    fileprivate func forgetFailedLogins(at proxy: String) throws {
        try stop(.pop3d, on: proxy)
        try start(.pop3d, on: proxy)
    }

    /// Addresses that a Dovecot makes wait.
    fileprivate func penalized(at server: String) throws -> [String] {
        try exec(server, "doveadm", "penalty").text.split(separator: "\n").dropFirst()
            .compactMap { $0.split(separator: " ").first.map(String.init) }
    }
}
