import Foundation
import NIOCore
import TestSupport
import Testing

/// A mailbox server's behaviour in a word.
enum Manner: String, CaseIterable, Sendable {
    case stores, isDown, isBusy, isFull, knowsNobody, hangsUp

    static let known = ["u1@example.com", "u2@example.com", "u3@example.net", "\"u 2\"@example.com"]

    func server() throws -> ScriptedLMTPServer {
        var manners = ScriptedLMTPServer.Manners()
        manners.unknown = ["nobody@example.com", "alias@example.com"]
        switch self {
        case .stores: break
        case .isBusy: manners.messageReply = "451 4.2.0 index is being rebuilt"
        case .isFull: manners.messageReply = "552 5.2.2 mailbox full"
        case .knowsNobody: manners.unknown.formUnion(Manner.known)
        case .hangsUp: manners.messageReply = nil
        case .isDown:
            let server = try ScriptedLMTPServer([.serve(manners)])
            server.stop()
            return server
        }
        return try ScriptedLMTPServer([.serve(manners)])
    }
}

/// A hub and its mailbox servers.
final class TestCluster {
    let servers: [ScriptedLMTPServer]
    let hub: HubProcess

    init(
        _ manners: [Manner], milter: [String] = [], discards: Bool = true, aliases: [String]? = nil
    ) throws {
        servers = try manners.map { try $0.server() }
        hub = try HubProcess(
            servers: servers, milter: milter, discards: discards, aliases: aliases)
    }

    deinit { for server in servers { server.stop() } }

    /// What a server stored, as text.
    func stored(_ place: Int) -> [String] { servers[place].record.messages.map { String(buffer: $0.octets) } }
    func recipients(_ place: Int) -> [[String]] { servers[place].record.messages.map(\.recipients) }
}

extension MilterClient.Outcome {
    /// The stamp that was added to the message.
    var stamp: String? {
        changes.first { $0.hasPrefix("add-header X-UIDL | ") }?.split(separator: " ").last.map(String.init)
    }
    /// All changes but the stamp.
    var others: [String] { changes.filter { !$0.hasPrefix("add-header X-UIDL") } }
}

@Suite(.serialized, .timeLimit(.minutes(2))) @BlockingThread struct FrontDoorTests {
    private func missing(_ user: String, _ server: String) -> String {
        "add-rcpt <\(user).\(server).covey.invalid> | NOTIFY=NEVER ORCPT=rfc822;\(user)"
    }

    @Test func `stored everywhere: discarded, with the same stamp on every server`() async throws {
        let cluster = try TestCluster([.stores, .stores])
        let outcome = try cluster.hub.connection().message(to: ["<u1@example.com>", "<U3@Example.net>"])
        #expect(outcome == .init(verdict: "discard", changes: []))
        let copies = [cluster.stored(0), cluster.stored(1)]
        #expect(copies[0].count == 1 && copies[0] == copies[1])
        #expect(cluster.recipients(0) == [["u1@example.com", "U3@example.net"]])
        let lines = try #require(copies[0].first).components(separatedBy: "\r\n")
        #expect(lines[0] == "Received: from mx.example.org (mail.example.org [192.0.2.7])")
        #expect(lines[1] == "\tby mh1.example.com (covey-milter) with ESMTP id 4abcDEF;")
        // After the date: the fields as they arrived, the stamp last, the body.
        #expect(
            Array(lines[3...7]) == [
                "From: s@example.org", "Date: Mon, 1 Jan 2024 00:00:00 +0000", "Message-ID: <1@example.org>",
                "Subject: folded", "\tsubject",
            ])
        #expect(lines[8].wholeMatch(of: /X-UIDL: cv1[a-z2-7]{26}/) != nil)
        #expect(Array(lines[9...]) == ["", "Hello", ""])
    }

    @Test func `a sender that is no text is not made nobody`() async throws {
        let cluster = try TestCluster([.stores, .stores])
        let client = try cluster.hub.connection()
        _ = try client.mail(octets: Array("<s".utf8) + [0xFF] + Array("@example.org>".utf8))
        #expect(try client.recipient("<u1@example.com>").hasPrefix("553 5.1.7"))
        #expect(try client.recipient("<u1@elsewhere.example>", mailer: "smtp") == "continue", "none of our business")
    }

    @Test func `where the MTA may owe copies to others, nothing is discarded`() async throws {
        let cluster = try TestCluster([.stores, .stores], discards: false)
        let outcome = try cluster.hub.connection().message(to: ["<u1@example.com>"])
        #expect(outcome.verdict == "continue")
        #expect(outcome.others == ["del-rcpt <u1@example.com>"])
        let stamp = try #require(outcome.stamp)
        #expect(cluster.stored(0).allSatisfy { $0.contains("\r\nX-UIDL: \(stamp)\r\n\r\n") })
    }

    /// The stored copy on a, and what b did: the MTA's queue carries exactly the copy that b lacks.
    @Test(arguments: [Manner.isDown, .isBusy, .isFull, .knowsNobody, .hangsUp])
    func `a missing copy is the MTA's to carry`(manner: Manner) async throws {
        let cluster = try TestCluster([.stores, manner])
        let client = try cluster.hub.connection()
        let outcome = try client.message(to: ["<u1@example.com>", "<\"u 2\"@Example.com>"])
        #expect(outcome.verdict == "continue")
        #expect(
            Set(outcome.others) == [
                missing("u1@example.com", "b"),
                "add-rcpt <\"u 2\"@example.com.b.covey.invalid> | NOTIFY=NEVER ORCPT=rfc822;\"u+202\"@example.com",
                "del-rcpt <u1@example.com>", "del-rcpt <\"u 2\"@Example.com>",
            ])
        // What adds comes before what takes away.
        #expect(outcome.others.prefix(2).allSatisfy { $0.hasPrefix("add-rcpt") })
        let stamp = try #require(outcome.stamp)
        #expect(cluster.stored(0).allSatisfy { $0.contains("\r\nX-UIDL: \(stamp)\r\n\r\n") })
        #expect(cluster.stored(0).count == 1)
    }

    @Test func `the sender's ORCPT stays on the missing copy`() async throws {
        let cluster = try TestCluster([.stores, .isDown])
        let client = try cluster.hub.connection()
        _ = try client.mail("<>")
        #expect(try client.recipient("<u1@example.com>", "ORCPT=rfc822;old@example.org") == "continue")
        _ = try client.header("Date", " x")
        #expect(try client.endOfHeader() == "continue")
        let outcome = try client.endOfMessage()
        #expect(
            outcome.others == [
                "add-rcpt <u1@example.com.b.covey.invalid> | NOTIFY=NEVER ORCPT=rfc822;old@example.org",
                "del-rcpt <u1@example.com>",
            ])
        #expect(cluster.servers[0].record.lines.joined().contains { $0.hasPrefix("MAIL FROM:<>") })
    }

    @Test(arguments: [
        ([Manner.isDown, .isDown], [], "451"), ([.isBusy, .isBusy], [], "451"), ([.isDown, .isBusy], [], "451"),
        ([.hangsUp, .isDown], [], "451"), ([.stores, .isDown], ["min_copies = 2"], "451"),
        ([.stores, .isBusy, .stores], ["min_copies = \"all\""], "451"), ([.isFull, .isDown], [], "451"),
        ([.isFull, .isFull], [], "552 5.2.2 mailbox full"),
    ])
    func `a message that too few can store is refused`(manners: [Manner], milter: [String], reply: String) async throws
    {
        let cluster = try TestCluster(manners, milter: milter)
        let outcome = try cluster.hub.connection().message(to: ["<u1@example.com>"])
        #expect(outcome.verdict.hasPrefix(reply))
        if reply == "451" { #expect(outcome.verdict.hasPrefix("451 4.3.")) }
        #expect(outcome.changes == [])
    }

    @Test func `with min_copies 0 the queue alone is enough while all are down`() async throws {
        let cluster = try TestCluster([.isDown, .isDown], milter: ["min_copies = 0"])
        let outcome = try cluster.hub.connection().message(to: ["<u1@example.com>"])
        #expect(outcome.verdict == "continue")
        #expect(
            outcome.others == [
                missing("u1@example.com", "a"), missing("u1@example.com", "b"), "del-rcpt <u1@example.com>",
            ])
    }

    @Test func `unknown users, aliases and others are left to the MTA, the rest is ours`() async throws {
        let cluster = try TestCluster([.stores, .stores], aliases: ["boss@example.com", "@example.net"])
        let client = try cluster.hub.connection()
        _ = try client.mail("<s@example.org>")
        for (recipient, mailer) in [
            ("<u1@example.com>", "covey-back"), ("<nobody@example.com>", "covey-back"),
            ("<Boss+x@example.com>", "covey-back"), ("<u3@example.net>", "covey-back"), ("<x@example.org>", "smtp"),
            ("<u2@example.com>", "virtual"),
        ] { #expect(try client.recipient(recipient, mailer: mailer) == "continue") }
        _ = try client.header("Date", " x")
        #expect(try client.endOfHeader() == "continue")
        let outcome = try client.endOfMessage()
        #expect(outcome.verdict == "continue")
        #expect(outcome.others == ["del-rcpt <u1@example.com>"])
        #expect(outcome.stamp != nil)
        #expect(cluster.recipients(0) == [["u1@example.com"]])
        #expect(!cluster.servers[0].record.lines.joined().contains { $0.lowercased().contains("boss") })
    }

    @Test func `a mailbox written twice gets one copy and is removed in both spellings`() async throws {
        let cluster = try TestCluster([.stores], discards: false)
        let outcome = try cluster.hub.connection().message(to: ["<u1@example.com>", "<U1@EXAMPLE.com>"])
        #expect(outcome.others == ["del-rcpt <u1@example.com>", "del-rcpt <U1@EXAMPLE.com>"])
        #expect(cluster.recipients(0) == [["u1@example.com"]])
    }

    @Test func `a message for others passes untouched, without its body`() async throws {
        let cluster = try TestCluster([.stores])
        let client = try cluster.hub.connection()
        _ = try client.mail("<s@example.org>")
        #expect(try client.recipient("<x@example.org>", mailer: "smtp") == "continue")
        _ = try client.header("X-UIDL", " cv1aaaaaaaaaaaaaaaaaaaaaaaaaa")
        #expect(try client.endOfHeader() == "accept")
        #expect(cluster.stored(0) == [])
        // The next one on the connection is ours again.
        #expect(try client.message(to: ["<u1@example.com>"]).verdict == "discard")
    }

    @Test(arguments: [
        "<covey-journal@example.com>", "<\"Covey-Journal+x\"@example.com>", "<u1@example.com.b.covey.invalid>",
    ])
    func `the system's own addresses are refused at RCPT, the message goes on`(recipient: String) async throws {
        let cluster = try TestCluster([.stores])
        let client = try cluster.hub.connection()
        _ = try client.mail("<s@example.org>")
        #expect(try client.recipient(recipient, mailer: "smtp").hasPrefix("550 5.7.1 "))
        #expect(try client.recipient("<u1@example.com>") == "continue")
        _ = try client.header("Date", " x")
        #expect(try client.endOfHeader() == "continue")
        #expect(try client.endOfMessage().verdict == "discard")
        #expect(cluster.recipients(0) == [["u1@example.com"]])
    }

    @Test func `reject_unknown asks at RCPT`() async throws {
        let cluster = try TestCluster([.stores, .stores], milter: ["reject_unknown = true"])
        let client = try cluster.hub.connection()
        _ = try client.mail("<s@example.org>")
        #expect(try client.recipient("<nobody@example.com>").hasPrefix("550 5.1.1 "))
        #expect(try client.recipient("<u1@example.com>") == "continue")
    }

    @Test func `stamps from outside are removed, from the last to the first`() async throws {
        let cluster = try TestCluster([.stores], discards: false)
        let forged = ("X-UIDL", " cv1aaaaaaaaaaaaaaaaaaaaaaaaaa")
        let fields = [forged, ("x-uidl", "\n\tfolded")] + MilterClient.fields + [("X-Uidl ", forged.1)]
        let client = try cluster.hub.connection()
        let outcome = try client.message(to: ["<u1@example.com>"], fields: fields)
        #expect(
            outcome.changes.filter { $0.hasPrefix("change-header") } == [
                "change-header 3 X-UIDL", "change-header 2 X-UIDL", "change-header 1 X-UIDL",
            ])
        let stamp = try #require(outcome.stamp)
        #expect(stamp != "cv1aaaaaaaaaaaaaaaaaaaaaaaaaa")
        #expect(outcome.changes.last == "add-header X-UIDL |  \(stamp)", "last of all fields")
        let copy = try #require(cluster.stored(0).first)
        #expect(copy.lowercased().ranges(of: "x-uidl").count == 1)
        // The same message without them has the same stamp.
        #expect(try client.message(to: ["<u1@example.com>"]).stamp == stamp)
    }

    @Test func `a message that nothing tells apart gets a Message-ID, each time another`() async throws {
        let cluster = try TestCluster([.stores], discards: false)
        let client = try cluster.hub.connection()
        let first = try client.message(to: ["<u1@example.com>"], fields: [("Subject", " x")])
        let second = try client.message(to: ["<u1@example.com>"], fields: [("Subject", " x")])
        #expect(first.stamp != second.stamp)
        let added = try #require(first.changes.first { $0.hasPrefix("add-header Message-ID | ") })
        let id = try #require(added.split(separator: "|").last)
        #expect(id.wholeMatch(of: /\s\s<[a-z0-9]+\.covey@mh1\.example\.com>/) != nil)
        let copy = try #require(cluster.stored(0).first)
        #expect(copy.contains("\r\nMessage-ID:\(id.dropFirst())\r\nX-UIDL: \(first.stamp ?? "")\r\n\r\n"))
    }

    @Test func `queued delivery only stamps`() async throws {
        let cluster = try TestCluster([.stores], milter: ["delivery = \"queued\""])
        let outcome = try cluster.hub.connection().message(to: ["<u1@example.com>"])
        #expect(outcome.verdict == "continue" && outcome.others == [] && outcome.stamp != nil)
        #expect(cluster.stored(0) == [])
    }

    @Test func `a body beyond the spool's limit is refused for now, and the room is free again`() async throws {
        let cluster = try TestCluster([.stores], milter: ["spool_limit = \"1MiB\""])
        let client = try cluster.hub.connection()
        try client.begin(to: ["<u1@example.com>"])
        let piece = Array(repeating: UInt8(ascii: "x"), count: 60_000)
        for _ in 0..<30 { _ = try client.body(piece) }
        #expect(try client.endOfMessage().verdict.hasPrefix("452 4.3.1 "))
        #expect(cluster.stored(0) == [])
        try client.begin(to: ["<u1@example.com>"])
        for _ in 0..<10 { _ = try client.body(piece) }
        #expect(try client.endOfMessage().verdict == "discard")
        #expect(cluster.servers[0].record.messages[0].octets.readableBytes > 600_000)
    }
}
