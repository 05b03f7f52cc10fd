import TestSupport
import Testing

extension RealServers {
    /// What was on a hub's disk is worth as much as what is in a mailbox.
    @Suite struct HubFailures {
        @Test func `A hub that loses power with missing copies in its queue delivers them after it was booted`() throws
        {
            let lab = try Lab.current
            let (hub, user) = ("mh2", "u58@example.org")
            let names = (1...5).map { "Before the power failure \($0)" }
            try lab.warmUp([user], at: hub)
            try lab.stop(.dovecot, on: "c", signal: "KILL")
            for name in names {
                let outcome = try lab.send(note(name), to: [user], at: hub)
                #expect(outcome.isAccepted, "\(outcome)")
            }
            try lab.powerOff(hub)
            try lab.copies(for: user, count: names.count, on: ["a", "b"], within: 0)
            try lab.boot(hub)
            #expect(try lab.queuedRecipients(of: hub) == names.map { _ in "\(user).c.covey.invalid" })

            try lab.start(.dovecot, on: "c")
            try lab.emptyQueue(of: hub)
            let copies = try lab.copies(for: user, count: names.count)
            for name in names {
                let ids = Set(copies.values.map { $0.filter { $0.subject == "\(name) note" }.map(\.ids) })
                #expect(ids.count == 1 && ids.first?.count == 1, "\(name): \(ids)")
            }
            for proxy in lab.mailboxes { #expect(try lab.maildrop(of: user, at: proxy).count == names.count) }
        }
    }
}
