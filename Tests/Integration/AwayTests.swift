import Foundation
import TestSupport
import Testing

extension RealServers.Repair {
    /// The cells "server away longer than `expire`" of the maildrop matrix, for a; the restored server of
    /// `RealServers.Repair` is such a one, too, for b.
    @Test func `What was deleted while a server was away longer than entries are kept does not come back with it`()
        throws
    {
        let lab = try Lab.current
        let user = "u2@example.com"
        try lab.keepEntriesForAMinute()
        try lab.addMasterUser()
        try lab.deliver([note("Gone"), note("Stays")], to: user)
        try lab.copies(for: user, count: 2)
        let stays = try #require(try lab.stored(for: user, on: "b").first { $0.subject == "Stays note" }?.ids)
        try lab.wait(for: "heartbeats in both journals") {
            try lab.journal("list").text.components(separatedBy: "last heartbeat 2").count == 3
        }

        try lab.stop(.dovecot, on: "a")
        // a's own proxy goes on.
        let session = try lab.session(user, at: "a")
        try session.expectOK("UIDL")
        for line in try session.lines() where !line.hasSuffix(stays[0]) {
            try session.expectOK("DELE \(line.prefix { $0 != " " })")
        }
        #expect(try session.command("QUIT").hasPrefix("+OK"))
        #expect(try lab.stored(for: user, on: "b").count == 1)
        try lab.wait(for: "the deletion to expire", within: 180) { try lab.entries("--server", "b").isEmpty }
        // A proxy measures by the heartbeats that it has read, of which there is one in six seconds here.
        sleep(12)
        try lab.start(.dovecot, on: "a")
        try lab.waitForAllServers()

        for proxy in lab.mailboxes {
            for _ in 1...3 { #expect(try lab.maildrop(of: user, at: proxy) == stays, "proxy \(proxy)") }
        }
        #expect(try lab.stored(for: user, on: "a").count == 2, "nothing that nobody remembers is removed")
        let pruned = try lab.resync("--prune", to: "a")
        #expect(pruned.status == 0, "\(pruned)")
        try lab.expectEqual(user, count: 1)
        try lab.wait(for: "a in touch again") { try lab.journal("list").status == 0 }
        for proxy in lab.mailboxes { #expect(try lab.maildrop(of: user, at: proxy) == stays, "proxy \(proxy)") }
    }
}
