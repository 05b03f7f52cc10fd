import TestSupport
import Testing

extension RealServers {
    /// `delivery = "queued"`: the front door only stamps, and the MTA's queue brings everything to the back door.
    @Suite(.lab(mailboxes: 2, suffix: "-queued", milter: ["delivery = \"queued\""])) struct QueuedDeliveryPostfix {
        @Test(arguments: QueuedDelivery.Outage.allCases)
        func `Every message arrives once`(outage: QueuedDelivery.Outage) throws {
            try QueuedDelivery.arrivesOnce(outage)
        }

        @Test func `Unknown users are refused at RCPT by the milter, too`() throws {
            let lab = try Lab.current
            try lab.setMilter("reject_unknown", "true", on: ["mh1"])
            // Without Postfix's own question the milter alone answers.
            try lab.exec("mh1", "postconf", "-e", "covey_verify=")
            try lab.exec("mh1", "postfix", "reload")
            try QueuedDelivery.refusesUnknown()
        }
    }

    @Suite(.lab(mailboxes: 2, suffix: "-queued-sendmail", mta: .sendmail, milter: ["delivery = \"queued\""]))
    struct QueuedDeliverySendmail {
        @Test(arguments: QueuedDelivery.Outage.allCases)
        func `Every message arrives once`(outage: QueuedDelivery.Outage) throws {
            try QueuedDelivery.arrivesOnce(outage)
        }

        @Test func `Unknown users are refused at RCPT`() throws {
            try QueuedDelivery.refusesUnknown()
        }
    }
}

enum QueuedDelivery {
    enum Outage: Int, CaseIterable, Sendable { case none, oneServer, bothServers }

    static func arrivesOnce(_ outage: Outage) throws {
        let lab = try Lab.current
        let users = ["u\(outage.rawValue * 2 + 1)@example.com", "u\(outage.rawValue * 2 + 2)@example.org"]
        let down = Array(lab.mailboxes.suffix(outage.rawValue))
        try lab.waitForHubsToSeeAllServers()
        try lab.warmUp(users, at: "mh1")
        for server in down { try lab.stop(.dovecot, on: server, signal: "KILL") }
        let outcome = try lab.send(note("Queued \(outage)"), to: users)
        // The promise of this 250 is the MTA's own: it holds while no server is there.
        #expect(outcome.isAccepted, "\(outcome)")
        if outage == .oneServer {
            for user in users { try lab.copies(for: user, on: ["a"]) }
            try lab.wait(for: "the missing copies in the queue", { try lab.queuedRecipients(of: "mh1") }) {
                $0 == users.map { "\($0).b.covey.invalid" }.sorted()
            }
        }
        if outage == .bothServers {
            // The back door has been asked, and could not say.
            let words =
                lab.mta == .postfix ? ["postfix/covey-back/smtp", "status=deferred"] : ["coveyback", "stat=Deferred"]
            try lab.wait(for: "a try at the back door") {
                let log = try lab.exec("mh1", "cat", "/var/log/mail.log").text
                return log.split(separator: "\n").contains { line in
                    words.allSatisfy(line.contains) && line.contains(users[0])
                }
            }
            #expect(try lab.queuedRecipients(of: "mh1") == users.sorted())
        }
        for server in down { try lab.start(.dovecot, on: server) }
        if outage == .bothServers {
            try lab.waitForHubsToSeeAllServers(["mh1"])
            // Mail that waits for any server waits for the queue's own next run.
            try lab.shell("mh1", lab.mta == .postfix ? "postqueue -f" : "sendmail -q")
        }
        for user in users {
            let copies = try lab.copies(for: user, within: 150)
            #expect(Set(copies.values.map { $0[0].ids }).count == 1, "\(copies)")
        }
        try lab.wait(for: "an empty queue", within: 60, { try lab.queue(of: "mh1") }, until: \.isEmpty)
        for user in users {
            let copies = try lab.copies(for: user, within: 0)
            #expect(try lab.maildrop(of: user, at: "b") == copies["b"]?[0].ids)
        }
        // At the front door nothing but the stamp: a DISCARD there would be a lost message.
        let lines = try lab.milterLog(of: "mh1").split(separator: "\n").filter { $0.contains("door=front") }
        #expect(!lines.isEmpty && lines.allSatisfy { $0.contains("verdict=stamped") }, "\(lines)")
    }

    static func refusesUnknown() throws {
        let lab = try Lab.current
        try lab.waitForHubsToSeeAllServers(["mh1"])
        let outcome = try lab.send(note("Unknown"), to: ["nobody@example.com", "u10@example.com"])
        #expect(outcome.recipients.map(\.code) == [550, 250], "\(outcome)")
        #expect(outcome.isAccepted)
        try lab.copies(for: "u10@example.com")
        for server in lab.mailboxes { try lab.stop(.dovecot, on: server, signal: "KILL") }
        // Nobody can say whether this one exists.
        let stranger = try lab.send(note("Unknown"), to: ["u11@example.com"])
        #expect(stranger.recipients[0].isTransient, "\(stranger)")
        for server in lab.mailboxes { try lab.start(.dovecot, on: server) }
        try lab.wait(for: "an empty queue", within: 60, { try lab.queue(of: "mh1") }, until: \.isEmpty)
        #expect(try lab.stored(for: "u11@example.com", on: "a") == [])
    }
}
