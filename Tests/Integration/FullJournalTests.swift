import Foundation
import TestSupport
import Testing

extension RealServers {
    /// Journals that cannot take another entry, and journals that somebody emptied.
    @Suite(.lab(mailboxes: 2, suffix: "-journals")) struct FullJournals {
        @Test func `Journals emptied by hand: what was deleted stays away, and proxies write it down again`() throws {
            let lab = try Lab.current
            let user = "u1@example.com"
            try lab.deliver([note("Deleted"), note("Kept")], to: user)
            try lab.copies(for: user, count: 2)
            try lab.wait(for: "heartbeats", { try lab.heartbeats() }, until: { $0 == 2 })
            // b keeps its copy: it is down while the message is deleted, and when proxy b is asked.
            try lab.stop(.dovecot, on: "b", signal: "KILL")
            let session = try lab.session(user, at: "a")
            let ids = try session.listedIDs()
            try session.expectOK("DELE 1")
            #expect(try session.command("QUIT").hasPrefix("+OK"))
            let rest = Array(ids.dropFirst())
            try lab.wait(for: "the deletion at proxy b", { try lab.maildrop(of: user, at: "b") }, until: { $0 == rest })

            try lab.start(.dovecot, on: "b")
            for server in lab.mailboxes {
                try lab.exec(server, "doveadm", "expunge", "-u", "covey-journal@example.com", "mailbox", "INBOX", "all")
            }
            // Its copy is there, and shown to nobody.
            var risen: [String] = []
            func lookForRisen() throws {
                for proxy in lab.mailboxes {
                    let shown = try lab.maildrop(of: user, at: proxy)
                    if shown != rest { risen.append("\(proxy): \(shown)") }
                }
            }
            #expect(try lab.counts(for: user) == [1, 2])
            try lookForRisen()
            for server in lab.mailboxes {
                try lab.wait(for: "the entry in the journal of \(server)") {
                    try lookForRisen()
                    return try lab.journalText(on: server).contains(ids[0])
                }
            }
            try lab.wait(for: "b without the copy") {
                try lookForRisen()
                return try lab.counts(for: user) == [1, 1]
            }
            #expect(risen == [])
            // Time goes on by the heartbeats: they are there anew, and nobody takes a server for one that was away.
            try lab.wait(for: "heartbeats again", { try lab.heartbeats() }, until: { $0 == 2 })
            for proxy in lab.mailboxes {
                #expect(!lab.log(of: "covey-pop3d", on: proxy).contains { $0.contains("has lost touch") })
            }
        }

        @Test func `With all journals' disks full only what all servers confirm is deleted, and nothing else anywhere`()
            throws
        {
            let lab = try Lab.current
            let user = "u2@example.com"
            let messages = (1...3).map { note("Message \($0)") }
            try lab.deliver(messages, to: user)
            try lab.copies(for: user, count: 3)
            let ids = try lab.maildrop(of: user, at: "a")
            try lab.waitForAllServers()
            for server in lab.mailboxes { try lab.fillJournal(on: server) }

            // What is gone from all servers is deleted, whatever becomes of its record.
            let session = try lab.session(user, at: "a")
            try session.expectOK("DELE 1")
            #expect(try session.command("QUIT") == "+OK Logging out, messages deleted.")
            #expect(try lab.counts(for: user) == [2, 2])
            try lab.wait(
                for: "the refusal of both journals", { lab.unwritten(at: "a") }, until: { $0 == Set(lab.mailboxes) })

            // b would miss this one.
            try lab.stop(.dovecot, on: "b", signal: "KILL")
            let refused = try lab.deleteAll(of: user, at: "a")
            #expect(refused.ids == Array(ids.dropFirst()))
            #expect(refused.answer.hasPrefix("-ERR [SYS/TEMP] "), "\(refused.answer)")
            #expect(try lab.counts(for: user) == [2, 2])
            #expect(try lab.maildrop(of: user, at: "a") == refused.ids, "nor hidden")

            for server in lab.mailboxes { try lab.makeRoomInJournal(on: server) }
            let second = try lab.session(user, at: "a")
            try second.expectOK("DELE 1")
            #expect(try second.command("QUIT").hasPrefix("+OK"))
            #expect(try lab.counts(for: user) == [1, 2])
            try lab.start(.dovecot, on: "b")
            try lab.waitForAllServers()
            for proxy in lab.mailboxes { #expect(try lab.maildrop(of: user, at: proxy) == [ids[2]]) }
            try lab.wait(for: "b without what was deleted", { try lab.counts(for: user) }, until: { $0 == [1, 1] })

            // What was deleted while nothing could be written down is written down, too: a late copy stays away.
            for server in lab.mailboxes {
                try lab.wait(for: "the first deletion in the journal of \(server)") {
                    try lab.journalText(on: server).contains(ids[0])
                }
            }
            try lab.deliver([messages[0]], to: user)
            for proxy in lab.mailboxes { #expect(try lab.maildrop(of: user, at: proxy) == [ids[2]]) }
        }
    }
}

extension Lab {
    private static let journal = "/var/vmail/example.com/covey-journal"

    /// Moves a server's journal onto a small disk, and fills that.
    fileprivate func fillJournal(on server: String) throws {
        // Out of sight first: the proxies shall not see an empty one.
        try shell(
            server,
            """
            mkdir /srv/disk
            mount -t tmpfs -o size=1m,mode=0700 disk /srv/disk
            cp -a \(Lab.journal)/. /srv/disk
            chown vmail:vmail /srv/disk
            dd if=/dev/zero of=/srv/disk/filler bs=4k 2>/dev/null || true
            test "$(df --output=avail /srv/disk | tail -n 1)" -eq 0
            mount --bind /srv/disk \(Lab.journal)
            """)
    }

    fileprivate func makeRoomInJournal(on server: String) throws {
        try exec(server, "rm", "/srv/disk/filler")
    }

    /// Servers whose journal did not take an entry, by a proxy's log.
    fileprivate func unwritten(at proxy: String) -> Set<String> {
        Set(
            log(of: "covey-pop3d", on: proxy).filter { $0.contains("journal entry not written") }
                .compactMap { $0.firstMatch(of: /server=([a-z]+)/).map { String($0.1) } })
    }

    /// Heartbeats in all journals.
    fileprivate func heartbeats() throws -> Int {
        try shell("a", "covey journal list 2>&1").text.components(separatedBy: "last heartbeat 2").count - 1
    }
}

extension POP3Connection {
    fileprivate func listedIDs() throws -> [String] {
        try expectOK("UIDL")
        return try lines().map { $0.split(separator: " ").last.map(String.init) ?? $0 }
    }
}
