import TestSupport
import Testing

extension RealServers {
    /// `min_copies`: how many servers must have a message before its sender hears 250. The milters read each value while
    /// they run.
    @Suite(.lab(mailboxes: 2, suffix: "-min")) struct MinCopies {
        /// The value, and by number of servers that are down whether the sender hears 250.
        @Test(arguments: [
            ("0", [true, true, true]), ("1", [true, true, false]), ("2", [true, false, false]),
            ("\"all\"", [true, false, false]),
        ])
        func `The sender hears 250 exactly when enough servers have it, and all get it in the end`(
            value: String, isAccepted: [Bool]
        ) throws {
            let lab = try Lab.current
            try lab.setMilter("min_copies", value, on: ["mh1"])
            for (count, isAccepted) in isAccepted.enumerated() {
                let user =
                    "u\(["0", "1", "2", "\"all\""].firstIndex(of: value).map { $0 * 3 + count + 1 } ?? 0)@example.com"
                let down = Array(lab.mailboxes.suffix(count))
                let message = note("At least \(value), \(count) down")
                try lab.waitForHubsToSeeAllServers(["mh1"])
                try lab.warmUp([user], at: "mh1")
                for server in down { try lab.stop(.dovecot, on: server, signal: "KILL") }
                let outcome = try lab.send(message, to: [user])
                #expect(outcome.isAccepted == isAccepted, "\(value), \(count) down: \(outcome)")
                if isAccepted {
                    let missing = down.map { "\(user).\($0).covey.invalid" }.sorted()
                    #expect(try lab.queuedRecipients(of: "mh1") == missing)
                } else {
                    #expect(outcome.message?.isTransient == true, "\(outcome)")
                    #expect(try lab.queue(of: "mh1") == [])
                }
                for server in down { try lab.start(.dovecot, on: server) }
                if !isAccepted {
                    try lab.wait(for: "the retry", { try lab.send(message, to: [user]) }, until: { $0.isAccepted })
                }
                try lab.wait(for: "an empty queue", within: 90, { try lab.queue(of: "mh1") }, until: \.isEmpty)
                // A try that was refused may have left a copy: of the same id, so that users see one message.
                let ids = Set(try lab.mailboxes.flatMap { try lab.stored(for: user, on: $0).map(\.ids) })
                #expect(ids.count == 1, "\(ids)")
                for server in lab.mailboxes {
                    #expect(try !lab.stored(for: user, on: server).isEmpty, "\(server)")
                    #expect(try lab.maildrop(of: user, at: server).count == 1)
                }
            }
        }
    }
}
