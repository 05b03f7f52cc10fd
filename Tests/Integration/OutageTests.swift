import TestSupport
import Testing

extension RealServers {
    /// Servers that die at the worst moment.
    @Suite struct Outages {
        enum Death: String, CaseIterable { case kill, powerFailure }

        @Test("A server that dies in the middle of LMTP gets its copy later", arguments: Death.allCases)
        func deathInTheMiddle(death: Death) throws {
            let lab = try Lab.current
            let user = death == .kill ? "u8@example.com" : "u9@example.com"
            try lab.warmUp([user], at: "mh1")
            // b takes the connection and then stands still: what the kernel's buffers do not hold stays half sent.
            try lab.freezeDovecot(on: "b")
            let large = note(
                "Half sent", body: String(repeating: String(repeating: "x", count: 79) + "\n", count: 100_000))
            let sending = Background { try lab.send(large, to: [user]) }
            try lab.copies(for: user, on: ["a", "c"])
            switch death {
            case .kill: try lab.stop(.dovecot, on: "b", signal: "KILL")
            case .powerFailure: try lab.powerOff("b")
            }
            let outcome = try sending.wait()
            #expect(outcome.message?.code == 250, "\(outcome)")
            // Stored elsewhere at the moment of the 250, and owed to b alone.
            let stored = try lab.copies(for: user, on: ["a", "c"], within: 0)
            #expect(try lab.stored(for: user, on: "b") == [])
            #expect(try lab.queuedRecipients(of: "mh1") == ["\(user).b.covey.invalid"])

            switch death {
            case .kill: try lab.start(.dovecot, on: "b")
            case .powerFailure: try lab.boot("b")
            }
            let copies = try lab.copies(for: user, within: 150)
            #expect(copies["b"]?[0].ids == stored["a"]?[0].ids)
            #expect(copies["b"]?[0].body == stored["a"]?[0].body)
            try lab.wait(for: "an empty queue", { try lab.queuedRecipients(of: "mh1") }, until: \.isEmpty)
            for proxy in lab.mailboxes {
                try lab.wait(
                    for: "one message at proxy \(proxy)", { try lab.maildrop(of: user, at: proxy) },
                    until: { $0 == stored["a"]?[0].ids })
            }
        }

        @Test func `With all servers down the sender is asked to retry, and the retry at the other hub is one message`()
            throws
        {
            let lab = try Lab.current
            let user = "u10@example.com"
            let message = note("Retried")
            try lab.warmUp([user], at: "mh1")
            for server in lab.mailboxes { try lab.stop(.dovecot, on: server, signal: "KILL") }
            let first = try lab.send(message, to: [user], at: "mh1")
            #expect(first.message?.code == 451, "\(first)")
            // Nobody can say whether this one exists: not for ever no.
            let stranger = try lab.send(message, to: ["u11@example.com"], at: "mh1")
            #expect(stranger.recipients[0].isTransient, "\(stranger)")
            #expect(try lab.queue(of: "mh1") == [])

            for server in lab.mailboxes { try lab.start(.dovecot, on: server) }
            try lab.wait(
                for: "the other hub to accept the retry", { try lab.send(message, to: [user], at: "mh2") },
                until: { $0.isAccepted })
            let copies = try lab.copies(for: user)
            #expect(Set(copies.values.map { $0[0].ids }).count == 1, "\(copies)")
            #expect(try lab.maildrop(of: user, at: "b") == copies["a"]?[0].ids)
        }

        /// The sender's `250` is lost, or the hub died before giving it: the same mail comes again at the other hub.
        @Test func `A message that is sent again at the other hub keeps its id`() throws {
            let lab = try Lab.current
            let user = "u12@example.com"
            for hub in lab.hubs {
                let outcome = try lab.send(note("Twice"), to: [user], at: hub)
                #expect(outcome.isAccepted, "\(outcome)")
            }
            let copies = try lab.copies(for: user, count: 2)
            let ids = Set(copies.values.flatMap { $0.flatMap(\.ids) })
            #expect(ids.count == 1)
            #expect(try lab.maildrop(of: user, at: "c") == Array(ids))
        }

        @Test(
            "covey-milter ended during traffic: every 250 has its copies, everybody else is told to retry",
            arguments: ["KILL", "TERM"])
        func milterEnds(signal: String) throws {
            let lab = try Lab.current
            let user = signal == "KILL" ? "u13@example.com" : "u14@example.com"
            try lab.warmUp([user], at: "mh1")
            let traffic = Traffic(lab, user: user, hub: "mh1", senders: 4)
            for _ in 0..<2 {
                let before = traffic.accepted
                try lab.wait(for: "traffic", { traffic.accepted }, until: { $0 >= before + 10 })
                try lab.stop(.milter, on: "mh1", signal: signal)
                try lab.start(.milter, on: "mh1")
            }
            let answers = try traffic.end()
            let messages = answers.indices.map { Traffic.message($0) }
            let accepted = answers.indices.filter { answers[$0]?.code == 250 }
            for (message, answer) in answers.enumerated() where answer?.code != 250 {
                #expect(answer.map(\.isTransient) ?? true, "message \(message): \(answer?.text ?? "")")
            }
            #expect(accepted.count < messages.count, "the milter's end met no message")
            try lab.wait(for: "an empty queue", { try lab.queuedRecipients(of: "mh1") }, until: \.isEmpty)
            let subjects = try lab.mailboxes.map { Set(try lab.stored(for: user, on: $0).map(\.subject)) }
            for message in accepted {
                #expect(subjects.allSatisfy { $0.contains("Traffic \(message) note") }, "Traffic \(message)")
            }

            // The others try again, at the other hub: nothing is there twice for the user.
            for message in Set(messages.indices).subtracting(accepted) {
                let outcome = try lab.send(messages[message], to: [user], at: "mh2")
                #expect(outcome.isAccepted, "\(outcome)")
            }
            #expect(try lab.maildrop(of: user, at: "a").count == messages.count)
        }
    }
}
