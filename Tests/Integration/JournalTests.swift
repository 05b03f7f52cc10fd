import Foundation
import TestSupport
import Testing

extension RealServers {
    /// Deletions that some server missed.
    @Suite struct Journals {
        /// One absence of b, three users: a copy that b had, a copy that b was still owed, and the ancestor's faults
        /// (facts 23): many deletions, session after session, and another proxy process in between.
        @Test func `What was deleted while a server was down never comes back`() throws {
            let lab = try Lab.current
            let (plain, late, many) = ("u48@example.com", "u49@example.com", "u50@example.com")
            try lab.deliver([note("Had"), note("Kept")], to: plain)
            try lab.deliver((1...100).map { note("Many \($0)") }, to: many)
            try lab.warmUp([late], at: "mh1")
            let keptID = try #require(
                try lab.stored(for: plain, on: "a").first { $0.subject == "Kept note" }?.ids.first)
            var deleted: [String] = []

            // Its proxy goes on.
            try lab.stop(.dovecot, on: "b", signal: "KILL")
            try lab.deliver([note("Late")], to: late)
            #expect(try lab.queuedRecipients(of: "mh1", for: late) == ["\(late).b.covey.invalid"])
            do {
                let session = try lab.session(plain, at: "a")
                let id = try session.expectOK("UIDL 1").split(separator: " ").last.map(String.init)
                deleted.append(try #require(id))
                try session.expectOK("DELE 1")
                #expect(try session.command("QUIT").hasPrefix("+OK"))
            }
            // On record, and readable, before the answer to QUIT was given.
            for server in ["a", "c"] {
                #expect(try lab.journalText(on: server).contains(deleted[0]), "journal on \(server)")
            }
            let (lateIDs, lateAnswer) = try lab.deleteAll(of: late, at: "c")
            #expect(lateIDs.count == 1)
            #expect(lateAnswer.hasPrefix("+OK"))
            deleted += lateIDs
            // The second session is at a new machine in the place of a's proxy, which has nothing of the old one but cluster.toml
            // and the secrets.
            for proxy in ["a", "client"] {
                if proxy == "client" {
                    try lab.stop(.pop3d, on: "a", signal: "KILL")
                    try lab.shell("client", "setsid covey-pop3d --host a </dev/null >/var/log/covey-pop3d.log 2>&1 &")
                    try lab.wait(for: "the new proxy") {
                        _ = try lab.maildrop(of: plain, at: proxy); return true
                    }
                }
                let session = try lab.session(many, at: proxy)
                try session.expectOK("UIDL")
                deleted += try session.lines().prefix(50).compactMap { $0.split(separator: " ").last.map(String.init) }
                for number in 1...50 { try session.expectOK("DELE \(number)") }
                #expect(try session.command("QUIT").hasPrefix("+OK"))
            }
            try lab.shell("client", "pkill -KILL -x covey-pop3d")
            try lab.start(.pop3d, on: "a")
            #expect(Set(deleted).count == 102)
            #expect(try ["a", "c"].map { try lab.stored(for: many, on: $0).count } == [0, 0])

            try lab.start(.dovecot, on: "b")
            // From its first moment nobody sees them, through whatever proxy, before and after the late copy.
            // Collected, since what is waited for below is looked at again and again.
            var risen: Set<String> = []
            defer { #expect(risen == []) }
            func lookForRisen() throws {
                for proxy in lab.mailboxes {
                    for (user, expected) in [(plain, [keptID]), (late, []), (many, [])] {
                        let shown = try lab.maildrop(of: user, at: proxy)
                        if shown != expected { risen.insert("\(user) at \(proxy): \(shown.count) messages") }
                    }
                }
            }
            try lab.wait(for: "the late copy's delivery", within: 60) {
                try lookForRisen()
                return try lab.queuedRecipients(of: "mh1", for: late).isEmpty
            }
            try lookForRisen()
            // Logins with QUIT remove what b still had.
            try lab.wait(for: "b without the deleted messages") {
                try lookForRisen()
                return try [plain, late, many].map { try lab.stored(for: $0, on: "b").count } == [1, 0, 0]
            }
            // b's own journal has caught up: it would know without the others.
            try lab.wait(for: "all entries in b's journal") {
                let journal = try lab.journalText(on: "b")
                return deleted.allSatisfy { journal.contains($0) }
            }
        }

        @Test func `With no journal that can be read nothing is deleted that some server would miss`() throws {
            let lab = try Lab.current
            let user = "u51@example.com"
            try lab.deliver([note("One"), note("Two")], to: user)
            let proxy = "a"
            func setJournalPassword(_ password: String) throws {
                for server in lab.mailboxes {
                    try lab.exec(
                        server, "sed", "-i", "s/^\\(covey-journal@example.com:{PLAIN}\\)[^:]*/\\1\(password)/",
                        "/etc/dovecot/users")
                }
            }
            func count(_ words: String) -> Int {
                lab.log(of: "covey-pop3d", on: proxy).count { $0.contains(words) }
            }
            let (lost, found) = (count("journal cannot be read"), count("journal can be read again"))
            try setJournalPassword("changed")
            defer { try? setJournalPassword("secret") }
            try lab.wait(for: "three journals that cannot be read") { count("journal cannot be read") == lost + 3 }

            try lab.stop(.dovecot, on: "c")
            let refused = try lab.deleteAll(of: user, at: proxy)
            #expect(refused.ids.count == 2)
            #expect(refused.answer.hasPrefix("-ERR [SYS/TEMP]"), "\(refused.answer)")
            #expect(try lab.counts(for: user) == [2, 2, 2])
            try lab.start(.dovecot, on: "c")

            // Sessions go on, and what all servers confirm is gone without a record.
            try lab.waitForAllServers(at: [proxy])
            #expect(try lab.maildrop(of: user, at: proxy) == refused.ids)
            let confirmed = try lab.deleteAll(of: user, at: proxy)
            #expect(confirmed.answer.hasPrefix("+OK"), "\(confirmed.answer)")
            #expect(try lab.counts(for: user) == [0, 0, 0])

            try setJournalPassword("secret")
            try lab.wait(for: "journals that can be read again", within: 60) {
                count("journal can be read again") >= found + 3
            }
        }
    }
}

extension Lab {
    /// The text of all messages in a server's journal, as an administrator reads it.
    func journalText(on server: String) throws -> String {
        try exec(server, "doveadm", "fetch", "-u", "covey-journal@example.com", "text", "mailbox", "INBOX").text
    }
}
