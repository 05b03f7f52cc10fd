import Foundation
import TestSupport
import Testing

extension RealServers {
    /// A server that comes back from a backup, and one that comes back empty. Entries are kept for a minute here, so that
    /// a server is away "for long" soon.
    @Suite(.lab(mailboxes: 2, suffix: "-repair"), .timeLimit(.minutes(10))) struct Repair {
        private static let user = "u1@example.com"

        @Test func `What was deleted while a restored server was away too long stays away, and resync makes it equal`()
            throws
        {
            let lab = try Lab.current
            let user = Repair.user
            try lab.keepEntriesForAMinute()
            try lab.addMasterUser()
            try lab.deliver(["One", "Two", "Three"].map { note($0) }, to: user)
            try lab.copies(for: user, count: 3)
            let all = try lab.maildrop(of: user, at: "a")
            let one = try #require(all.first)
            let rest = Array(all.dropFirst())
            try lab.wait(for: "heartbeats in both journals") {
                try lab.journal("list").text.components(separatedBy: "last heartbeat 2").count == 3
            }

            // Yesterday's backup.
            try lab.shell("b", "tar -C /var -cf /var/backup.tar vmail")
            let session = try lab.session(user, at: "a")
            try session.expectOK("DELE 1")
            #expect(try session.command("QUIT").hasPrefix("+OK"))
            try lab.wait(for: "the deletion in both journals") {
                try lab.entries("--user", user).hasSuffix(" \(user) \(one) a,b\n")
            }
            let shown = try lab.journal("show", one).text
            #expect(shown.contains("user:    \(user)\n"))
            #expect(shown.contains("on:      a, b\n"))
            for service in [Lab.Service.pop3d, .dovecot] { try lab.stop(service, on: "b") }
            try lab.wait(for: "the deletion to expire", within: 180) {
                try lab.entries("--server", "a").isEmpty
            }
            try lab.shell("b", "rm -rf /var/vmail && tar -C /var -xf /var/backup.tar")
            try lab.start(.dovecot, on: "b")
            try lab.start(.pop3d, on: "b")
            try lab.waitForAllServers()

            for proxy in lab.mailboxes {
                for _ in 1...3 { #expect(try lab.maildrop(of: user, at: proxy) == rest, "proxy \(proxy)") }
                // The line follows with the journal's next reading; and one is enough.
                try lab.wait(
                    for: "one line about it at \(proxy)",
                    {
                        lab.log(of: "covey-pop3d", on: proxy)
                            .count { $0.contains("has lost touch") && $0.contains("server=b ") }
                    },
                    until: { $0 == 1 })
            }
            #expect(try lab.stored(for: user, on: "b").count == 3, "nothing that nobody remembers is removed")

            // It tells, changes nothing, and neither does a run without a decision on what only b has.
            let dry = try lab.resync("--dry-run")
            #expect(dry.status == 1)
            #expect(dry.text.contains("only on b: \(one)"), "\(dry)")
            #expect(try lab.stored(for: user, on: "b").count == 3)
            try lab.removeFile(of: "Two", user: user, on: "b")
            let undecided = try lab.resync()
            #expect(undecided.status == 1)
            #expect(undecided.text.contains("\(user): 1 added, 1 only on b"), "\(undecided)")
            #expect(try lab.maildrop(of: user, at: "b") == rest)
            #expect(try lab.stored(for: user, on: "b").count == 3)

            let pruned = try lab.resync("--prune")
            #expect(pruned.status == 0, "\(pruned)")
            #expect(pruned.text.contains("marked in its journal"))
            try lab.expectEqual(user, count: 2)
            for proxy in lab.mailboxes {
                try lab.wait(for: "b in touch again at \(proxy)") {
                    lab.log(of: "covey-pop3d", on: proxy)
                        .contains { $0.contains("is in touch again") && $0.contains("server=b ") }
                }
                #expect(try lab.maildrop(of: user, at: proxy) == rest)
            }
            let again = try lab.resync()
            #expect(again.status == 0)
            #expect(again.text.contains("0 messages added, 0 removed"), "\(again)")

            // A new disk.
            try lab.stop(.dovecot, on: "b")
            try lab.shell("b", "rm -rf /var/vmail/*")
            try lab.start(.dovecot, on: "b")
            try lab.waitForAllServers()
            for proxy in lab.mailboxes { #expect(try lab.maildrop(of: user, at: proxy) == rest) }
            let filled = try lab.resync()
            #expect(filled.status == 0, "\(filled)")
            #expect(filled.text.contains("\(user): 2 added"))
            try lab.expectEqual(user, count: 2)
            try lab.wait(for: "b in touch with its new disk") { try lab.journal("list").status == 0 }
            let compacted = try lab.journal("compact")
            #expect(compacted.status == 0, "\(compacted)")
            #expect(try lab.journal("list").status == 0, "the marks are still there")
        }

        @Test func `What a server lost is made anew after a login, and what was deleted meanwhile is not`() throws {
            let lab = try Lab.current
            let user = "u3@example.com"
            let limit = 8
            try lab.set("pop3", "heal_after = \"\(limit)s\"")
            try lab.waitForAllServers()
            try lab.deliver(["One", "Two", "Three"].map { note($0) }, to: user)
            try lab.copies(for: user, count: 3)
            let all = try lab.maildrop(of: user, at: "a")
            for subject in ["Two", "Three"] { try lab.removeFile(of: subject, user: user, on: "b") }

            // Seen to be lacking, and one of them deleted while it is.
            let lost = ContinuousClock.now
            #expect(try lab.maildrop(of: user, at: "a") == all)
            let three = try #require(
                try lab.stored(for: user, on: "a").first { $0.subject.hasPrefix("Three") }?.ids.first)
            let session = try lab.session(user, at: "b")
            try session.expectOK("DELE \(try #require(all.firstIndex(of: three)) + 1)")
            #expect(try session.command("QUIT").hasPrefix("+OK"))

            try lab.wait(for: "the copy on b, made after a login") {
                #expect(try lab.maildrop(of: user, at: "a") == all.filter { $0 != three })
                return try lab.stored(for: user, on: "b").count == 2
            }
            #expect(ContinuousClock.now - lost >= .seconds(limit))
            for proxy in lab.mailboxes {
                for _ in 1...2 { #expect(try lab.maildrop(of: user, at: proxy) == all.filter { $0 != three }) }
            }
            try lab.expectEqual(user, count: 2)
            let lines = lab.mailboxes.flatMap { lab.log(of: "covey-pop3d", on: $0) }
                .filter { $0.contains("missing copy made anew") }
            #expect(lines.count == 1, "\(lines)")
            #expect(lines.allSatisfy { $0.contains(user) && $0.contains("b") && !$0.contains("secret") })
            try lab.set("pop3", "heal_after = \"24h\"")
        }
    }
}

extension Lab {
    func keepEntriesForAMinute() throws {
        try set("journal", "expire = \"60s\"")
    }

    /// Puts a line into a table of the proxies' cluster.toml, in place of the key's former one, and starts them anew.
    func set(_ table: String, _ line: String) throws {
        let key = line.prefix { $0 != " " }
        for host in mailboxes {
            try shell(
                host,
                """
                cd /etc/covey; sed -i '/^\(key) = /d' cluster.toml
                grep -q '^\\[\(table)\\]' cluster.toml || echo '[\(table)]' >>cluster.toml
                sed -i '/^\\[\(table)\\]/a \(line)' cluster.toml
                """)
            try stop(.pop3d, on: host)
            try start(.pop3d, on: host)
        }
    }

    func addMasterUser() throws {
        for host in mailboxes where try attempt(host, ["test", "-e", "/etc/dovecot/masters"]).status != 0 {
            try shell(
                host,
                """
                printf 'auth_master_user_separator = *\\npassdb {\\n driver = passwd-file\\n args = /etc/dovecot/masters\\n \
                master = yes\\n}\\n' >>/etc/dovecot/local.conf
                printf 'resync:{PLAIN}sesame::::::\\n' >/etc/dovecot/masters
                (umask 077; echo sesame >/etc/covey/master.password)
                """)
            try stop(.dovecot, on: host)
            try start(.dovecot, on: host)
        }
        try waitForAllServers()
    }

    func journal(_ words: String...) throws -> CommandOutput {
        try attempt("a", ["covey", "journal"] + words)
    }

    /// The entries that it lists, without what it says of the journals.
    func entries(_ words: String...) throws -> String {
        try shell("a", "covey journal list \(words.joined(separator: " ")) 2>/dev/null").text
    }

    func resync(_ words: String..., to server: String = "b") throws -> CommandOutput {
        try attempt(
            "a",
            [
                "covey", "resync", "--to", server, "--all", "--users", "-", "--master", "resync", "--password-file",
                "/etc/covey/master.password",
            ] + words, input: Array("u1@example.com\nu2@example.com\n".utf8))
    }

    fileprivate func removeFile(of subject: String, user: String, on server: String) throws {
        try shell(
            server, "grep -lr '^Subject: \(subject)' /var/vmail/example.com/\(user.prefix { $0 != "@" })/ | xargs rm")
    }

    /// Both servers hold the same messages, octet for octet in their bodies.
    func expectEqual(_ user: String, count: Int) throws {
        let held = try mailboxes.map { server in
            try stored(for: user, on: server).map { ($0.ids.first ?? "", $0.body) }.sorted { $0.0 < $1.0 }
        }
        #expect(held[0].count == count)
        #expect(held[0].map(\.0) == held[1].map(\.0))
        #expect(held[0].map(\.1) == held[1].map(\.1))
    }
}
