import TestSupport
import Testing

/// Logins that fail: on whose account a wrong password goes, and servers that do not trust the proxies or refuse everybody.
extension RealServers.Logins {
    /// Facts 44. Dovecot's penalties are switched on here: they show on whose account it puts a wrong password.
    @Test func `A wrong password is charged to the client, once on each server, and never to a proxy`() throws {
        let lab = try Self.lab()
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
        let lab = try Self.lab()
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
        let lab = try Self.lab()
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
        for part in ["session.left_out=b (sick: it refuses the journal's login too: ", "session.journal_entries=1"] {
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

extension Lab {
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

    /// Addresses that a Dovecot makes wait.
    fileprivate func penalized(at server: String) throws -> [String] {
        try exec(server, "doveadm", "penalty").text.split(separator: "\n").dropFirst()
            .compactMap { $0.split(separator: " ").first.map(String.init) }
    }
}
