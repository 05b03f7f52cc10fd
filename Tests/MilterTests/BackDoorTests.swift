import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) @BlockingThread struct BackDoorTests {
    @Test(arguments: [
        ([Manner.knowsNobody, .knowsNobody], "550 5.1.1"), ([.knowsNobody, .isDown], "451 4.3."),
        ([.isDown, .isDown], "451 4.3."), ([.stores, .isDown], "continue"), ([.knowsNobody, .stores], "continue"),
    ])
    func `at RCPT a user is unknown only if every server says so`(manners: [Manner], answer: String) async throws {
        let cluster = try TestCluster(manners)
        let client = try cluster.hub.connection(daemon: "COVEY")
        _ = try client.mail("<s@example.org>")
        #expect(try client.recipient("<u1@example.com>").hasPrefix(answer))
    }

    @Test(arguments: ["<x@example.org>", "<u1>", "<covey-journal@example.com>", "<u1@example.com.a.covey.invalid>"])
    func `only mailboxes of the cluster come in`(recipient: String) async throws {
        let cluster = try TestCluster([.stores])
        let client = try cluster.hub.connection(daemon: "COVEY")
        _ = try client.mail("<s@example.org>")
        #expect(try client.recipient(recipient).hasPrefix("55"))
    }

    /// Never "go on" with the recipient still there: the message would come back at once, for ever.
    @Test(arguments: [
        ([Manner.stores, .stores], "discard", 0), ([.stores, .isDown], "continue", 1),
        ([.stores, .isBusy], "continue", 1), ([.isBusy, .isBusy], "451 4.3.", 0), ([.isFull, .isFull], "552 5.2.2", 0),
        ([.hangsUp, .hangsUp], "451 4.3.", 0), ([.stores, .knowsNobody], "continue", 1),
    ])
    func `the end of the message is final`(manners: [Manner], verdict: String, missing: Int) async throws {
        let cluster = try TestCluster(manners)
        let outcome = try cluster.hub.connection(daemon: "COVEY").message(to: ["<u1@example.com>"])
        #expect(outcome.verdict.hasPrefix(verdict))
        #expect(outcome.changes.filter { $0.hasPrefix("add-rcpt") }.count == missing)
        #expect(outcome.changes.contains("del-rcpt <u1@example.com>") == (verdict == "continue"))
    }

    @Test(arguments: 0...5) func `a stamp of the front door is kept under our own hops`(hops: Int) async throws {
        let cluster = try TestCluster([.stores], milter: ["delivery = \"queued\""], discards: false)
        let front = try cluster.hub.connection().message(to: ["<u1@example.com>"], fields: [("From", " x")])
        // Name and value of the fields that the front door added.
        let stamp = front.changes.reduce(into: [String: String]()) { found, change in
            let words = change.split(separator: "|")
            if words.count == 2 { found[String(words[0])] = String(words[1].dropFirst()) }
        }
        let fields =
            (0..<hops).map { ("Received", " by hop \($0)") } + [
                ("From", " x"), ("Message-ID", try #require(stamp["add-header Message-ID "])),
                ("X-UIDL", try #require(stamp["add-header X-UIDL "])),
            ]
        let outcome = try cluster.hub.connection(daemon: "COVEY").message(to: ["<u1@example.com>"], fields: fields)
        let copy = try #require(cluster.stored(0).first)
        let isKept = copy.contains("\r\nX-UIDL:\(stamp["add-header X-UIDL "] ?? "?")\r\n\r\n")
        #expect(isKept == (hops <= 4))
        #expect((outcome.stamp == nil) == (hops <= 4), "a stamp that is kept is not touched")
        #expect(copy.ranges(of: "X-UIDL").count == 1)
    }
}
