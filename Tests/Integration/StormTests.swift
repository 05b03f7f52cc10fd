import Foundation
import TestSupport
import Testing

extension RealServers {
    @Suite struct Storm {
        private static let hub = "mh1"
        private static let senders = 200

        /// For so many seconds, and three restarts, at least: `COVEY_STORM_SECONDS`, default 20.
        private static let seconds =
            ProcessInfo.processInfo.environment["COVEY_STORM_SECONDS"].flatMap(Int.init) ?? 20

        @Test func `200 senders while covey-milter is restarted every 5 s: every 250 has its copies`() throws {
            let lab = try Lab.current
            let hub = Storm.hub
            let users = (54...60).map { "u\($0)@example.com" }
            try lab.warmUp(users, at: hub)
            // As many smtpd processes as senders; Postfix has 100 by default.
            try lab.shell(hub, "postconf -e default_process_limit=\(Storm.senders + 50) && postfix reload")
            let traffic = Traffic(lab, users: users, hub: hub, senders: Storm.senders)
            let end = Date(timeIntervalSinceNow: Double(Storm.seconds))
            var restarts = 0
            while Date() < end || restarts < 3 {
                let before = traffic.accepted
                sleep(5)
                try lab.wait(for: "traffic", within: 60, { traffic.accepted }, until: { $0 > before })
                try lab.stop(.milter, on: hub, signal: restarts.isMultiple(of: 3) ? "KILL" : "TERM")
                try lab.start(.milter, on: hub)
                restarts += 1
            }
            let answers = try traffic.end()
            try lab.shell(hub, "postconf -X default_process_limit && postfix reload")

            let accepted = answers.indices.filter { answers[$0]?.code == 250 }
            for (message, answer) in answers.enumerated() where answer?.code != 250 {
                #expect(answer.map(\.isTransient) ?? true, "message \(message): \(answer?.text ?? "")")
            }
            #expect(accepted.count < answers.count, "the milter's end met no message")
            print("storm: \(restarts) restarts, \(answers.count) messages, \(accepted.count) accepted")
            try lab.emptyQueue(of: hub)
            for server in lab.mailboxes {
                let subjects = Set(try users.flatMap { try lab.stored(for: $0, on: server).map(\.subject) })
                let lost = accepted.filter { !subjects.contains("Traffic \($0) note") }
                #expect(lost == [], "accepted and not on \(server)")
            }
            // One id for each message, wherever it is, and each is shown once.
            for user in users {
                let copies = try lab.mailboxes.flatMap { try lab.stored(for: user, on: $0) }
                let ids = Set(copies.flatMap(\.ids))
                #expect(ids.count == Set(copies.map(\.subject)).count, "\(user)")
                #expect(try lab.maildrop(of: user, at: "a").sorted() == ids.sorted(), "\(user)")
            }
        }
    }
}
