import Foundation
import TestSupport
import Testing

/// Many senders at one hub while its covey-milter is restarted, by SIGKILL one time of three: each time 5 s after it was up
/// again, once something was accepted. On a busy machine it is up late, and the restarts are fewer.
struct MilterStorm {
    let lab: Lab
    let hub: String
    let users: [String]
    let senders: Int
    /// How long, and three restarts at least.
    let seconds: Int

    /// `COVEY_STORM_SECONDS` counts for all of them.
    init(_ lab: Lab, hub: String, users: [String], senders: Int, seconds: Int) {
        self.lab = lab
        self.hub = hub
        self.users = users
        self.senders = senders
        self.seconds = ProcessInfo.processInfo.environment["COVEY_STORM_SECONDS"].flatMap(Int.init) ?? seconds
    }

    /// Every 250 has its copies everywhere, everybody else is told to come again.
    func run() throws {
        try lab.warmUp(users, at: hub)
        let traffic = Traffic(lab, users: users, hub: hub, senders: senders)
        let start = Date()
        let end = start + Double(seconds)
        var restarts = 0
        while Date() < end || restarts < 3 {
            let before = traffic.accepted
            sleep(5)
            try lab.wait(for: "traffic", within: 60, { traffic.accepted }, until: { $0 > before })
            try lab.stop(.milter, on: hub, signal: restarts.isMultiple(of: 3) ? "KILL" : "TERM")
            try lab.start(.milter, on: hub)
            restarts += 1
        }
        let duration = Int(Date().timeIntervalSince(start))
        let answers = try traffic.end()
        let accepted = answers.indices.filter { answers[$0]?.code == 250 }
        for (message, answer) in answers.enumerated() where answer?.code != 250 {
            #expect(answer.map(\.isTransient) ?? true, "message \(message): \(answer?.text ?? "")")
        }
        #expect(accepted.count < answers.count, "the milter's end met no message")
        print("storm: \(restarts) restarts in \(duration) s, \(answers.count) messages, \(accepted.count) accepted")
        try lab.emptyQueue(of: hub)
        try checkCopies(accepted)
    }

    private func checkCopies(_ accepted: [Int]) throws {
        var subjects: [String: Set<String>] = [:]
        for user in users {
            let copies = try lab.mailboxes.map { server in
                let stored = try lab.stored(for: user, on: server)
                subjects[server, default: []].formUnion(stored.map(\.subject))
                return stored.map { (id: $0.ids, subject: $0.subject) }
            }.joined()
            // One id for each message, wherever it is, and each is shown once.
            let ids = Set(copies.flatMap(\.id))
            #expect(ids.count == Set(copies.map(\.subject)).count, "\(user)")
            #expect(try lab.maildrop(of: user, at: "a").sorted() == ids.sorted(), "\(user)")
        }
        for server in lab.mailboxes {
            let lost = accepted.filter { subjects[server]?.contains("Traffic \($0) note") != true }
            #expect(lost == [], "accepted and not on \(server)")
        }
    }
}
