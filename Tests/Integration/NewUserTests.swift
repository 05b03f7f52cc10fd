import Foundation
import TestSupport
import Testing

extension RealServers {
    @Suite struct NewUsers {
        @Test func `Somebody who was refused is accepted after a minute as a new user, and their mail is everywhere`()
            throws
        {
            let lab = try Lab.current
            let (hub, user) = ("mh1", "newcomer@example.com")
            try lab.waitForHubsToSeeAllServers()
            let early = try lab.send(note("Early"), to: [user], at: hub)
            #expect(early.recipients.map(\.code) == [550], "\(early)")

            try lab.addUsers([user])
            defer { try? lab.removeUsers([user]) }
            let start = Date()
            // Postfix keeps the answer for a minute and refreshes it by asking beside; the milter keeps it half a minute.
            try lab.wait(
                for: "the new user's first mail", within: 180,
                {
                    sleep(1)
                    return try lab.send(note("Welcome"), to: [user], at: hub)
                }, until: \.isAccepted)
            print("new user: accepted after \(Int(Date().timeIntervalSince(start))) s")
            let copies = try lab.copies(for: user)
            #expect(copies.values.allSatisfy { $0[0].subject == "Welcome note" }, "\(copies)")
            #expect(Set(copies.values.map { $0[0].ids }).count == 1, "\(copies)")
            // Not by way of the queue.
            #expect(try lab.queuedRecipients(of: hub, for: user) == [])
            #expect(try lab.maildrop(of: user, at: "b") == copies["a"]?[0].ids)
        }
    }
}
