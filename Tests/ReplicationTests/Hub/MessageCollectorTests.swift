import CoveyCore
import MailWire
import NIOCore
import Testing

@testable import Replication

@Suite struct MessageCollectorTests {
    static let key = ClusterKey(octets: Array(repeating: 7, count: 32))
    static let newID = "<made-here@mh1.example.com>"
    static let plain = [
        HeaderField("Received", " from a by b;\n\tMon, 1 Jan 2024 00:00:00 +0000"),
        HeaderField("From", " s@example.org"),
        HeaderField("subject", " folded\n  subject"), HeaderField("Date", " Mon, 1 Jan 2024 00:00:00 +0000"),
        HeaderField("Message-ID", " <1@example.org>"),
    ]
    static let body = "line one\r\n.\r\n\r\nlast without end"

    private func collect(
        _ fields: [HeaderField], body: String = body, back: Bool = false
    ) throws -> CollectedMessage {
        var collector = MessageCollector(
            key: Self.key, budget: SpoolBudget(limit: 1 << 20), spoolDirectory: "/tmp", keepsBody: true,
            trustsStamp: back)
        for field in fields { collector.add(field) }
        collector.endHeader { Self.newID }
        for octet in body.utf8 { try withUnsafeBytes(of: octet) { try collector.addBody($0) } }
        return collector.finish()
    }

    /// By the hasher alone, which is held to vectors of another program.
    private func id(_ fields: [HeaderField], body: String = body) -> UniqueID {
        var hasher = ContentHasher(key: Self.key)
        for field in fields { hasher.add(field) }
        hasher.endHeader()
        Array(body.utf8).withUnsafeBytes { hasher.addBody($0) }
        return hasher.finish()
    }

    private func stamp(_ id: UniqueID) -> HeaderField { HeaderField("X-UIDL", " \(id)") }

    private func text(_ message: CollectedMessage) throws -> String {
        let copy = message.copy(trace: "from x\r\n\tby y; date")
        var octets = copy.header
        while octets.readableBytes < copy.length {
            var piece = try copy.body.read(at: octets.readableBytes - copy.header.readableBytes, most: 7)
            octets.writeBuffer(&piece)
        }
        return String(buffer: octets)
    }

    @Test func `a copy is trace, fields as they arrived with CRLF, stamp last, body`() throws {
        let message = try collect(Self.plain)
        #expect(message.id == id(Self.plain))
        #expect(message.stampsToRemove == 0 && !message.keepsStamp && message.addedMessageID == nil)
        let expected = """
            Received: from x
            \tby y; date
            Received: from a by b;
            \tMon, 1 Jan 2024 00:00:00 +0000
            From: s@example.org
            subject: folded
              subject
            Date: Mon, 1 Jan 2024 00:00:00 +0000
            Message-ID: <1@example.org>
            X-UIDL: \(id(Self.plain))


            """.replacing("\n", with: "\r\n")
        #expect(try text(message) == expected + Self.body)
    }

    @Test(arguments: ["a:b", " two  spaces ", "\ttab", "", " tab\t\n\tmore\n "])
    func `a value goes out as it came`(value: String) throws {
        let message = try collect([HeaderField("X-Odd", value), HeaderField("Date", " x")], body: "")
        let lines = value.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n")
        #expect(try text(message).contains("\r\nX-Odd:\(lines)\r\nDate: x\r\n"))
    }

    @Test func `octets that are no text go out as they came`() throws {
        let field = HeaderField(name: Array("X-Odd".utf8), value: [0x20, 0xFF, 0xE9, 0x0D, 0x20, 0x80])
        let copy = try collect([field, HeaderField("Date", " x")]).copy(trace: "t")
        let wanted = Array("X-Odd:".utf8) + field.value + [13, 10]
        let header = Array(copy.header.readableBytesView)
        #expect(header.indices.contains { header[$0...].starts(with: wanted) })
    }

    /// A stranger's stamps, however they are written: all removed, none of them believed.
    @Test(arguments: [
        ["X-UIDL"], ["x-uidl"], ["X-Uidl"], ["X-UIDL "], ["X-UIDL\t"], ["X-UIDL", "x-uidl", "X-UIDL "],
    ])
    func `stamps from outside are removed`(names: [String]) throws {
        let forged = names.map { HeaderField($0, "\n cv1aaaaaaaaaaaaaaaaaaaaaaaaaa") }
        let message = try collect([forged[0]] + Self.plain + forged.dropFirst())
        #expect(message.id == id(Self.plain))
        #expect(message.stampsToRemove == names.count)
        let copy = try text(message)
        #expect(copy.lowercased().components(of: "x-uidl") == 1)
        #expect(copy.contains("\r\nX-UIDL: \(id(Self.plain))\r\n\r\n"))
    }

    @Test func `at the front door even a right stamp is replaced by the same`() throws {
        let message = try collect(Self.plain + [stamp(id(Self.plain))])
        #expect(message.id == id(Self.plain) && !message.keepsStamp && message.stampsToRemove == 1)
    }

    private func hops(_ count: Int) -> [HeaderField] {
        (0..<count).map { HeaderField("Received", " by our own hop \($0)") }
    }

    @Test(arguments: 0...4) func `the back door keeps a stamp under our own hops`(count: Int) throws {
        let message = try collect(hops(count) + Self.plain + [stamp(id(Self.plain))], back: true)
        #expect(message.keepsStamp && message.id == id(Self.plain) && message.stampsToRemove == 0)
        #expect(try text(message).components(of: "X-UIDL: \(id(Self.plain))\r\n") == 1)
    }

    @Test(arguments: [5, 6]) func `with more hops than ours it is another message`(count: Int) throws {
        let fields = hops(count) + Self.plain
        let message = try collect(fields + [stamp(id(Self.plain))], back: true)
        #expect(!message.keepsStamp && message.id == id(fields) && message.stampsToRemove == 1)
    }

    @Test func `a stamp of another message, key or body is not kept`() throws {
        let forged = stamp(id(Self.plain, body: "another"))
        let message = try collect(hops(1) + Self.plain + [forged], back: true)
        #expect(!message.keepsStamp && message.id == id(hops(1) + Self.plain) && message.stampsToRemove == 1)
    }

    @Test func `among several stamps the one that verifies is kept, last and alone`() throws {
        let right = stamp(id(Self.plain))
        let fields = [stamp(id([]))] + hops(2) + [right] + Self.plain + [HeaderField("x-uidl", " rubbish")]
        let message = try collect(fields, back: true)
        #expect(message.id == id(Self.plain) && !message.keepsStamp && message.stampsToRemove == 3)
        #expect(try text(message).contains("\r\nX-UIDL: \(id(Self.plain))\r\n\r\n"))
        #expect(try text(message).lowercased().components(of: "x-uidl") == 1)
    }

    @Test(arguments: 0...4) func `a Message-ID added at the front door belongs to the stamp`(count: Int) throws {
        let bare = [HeaderField("From", " s@example.org"), HeaderField("Subject", " x")]
        let front = try collect(bare)
        let added = HeaderField("Message-ID", " \(Self.newID)")
        #expect(front.addedMessageID == added)
        #expect(front.messageID == Self.newID)
        #expect(front.id == id(bare + [added]))
        #expect(try text(front).contains("\r\nMessage-ID: \(Self.newID)\r\nX-UIDL: \(front.id)\r\n\r\n"))

        let back = try collect(hops(count) + bare + [added, stamp(front.id)], back: true)
        #expect(back.keepsStamp && back.id == front.id && back.addedMessageID == nil)
    }

    @Test(arguments: ["Received", "Message-Id", "DATE"])
    func `none is added where something tells the message apart`(name: String) throws {
        #expect(try collect([HeaderField(name, " x")]).addedMessageID == nil)
    }

    @Test func `a message of a header alone, and one without a header`() throws {
        let bodiless = try collect(Self.plain, body: "")
        #expect(bodiless.id == id(Self.plain, body: ""))
        #expect(try text(bodiless).hasSuffix("\r\n\r\n"))
        let headless = try collect([])
        #expect(headless.id == id([HeaderField("Message-ID", " \(Self.newID)")]))
        #expect(headless.body.length == Self.body.utf8.count)
    }

    @Test func `a body that nobody delivers is hashed and not kept`() throws {
        let budget = SpoolBudget(limit: 0)
        var collector = MessageCollector(
            key: Self.key, budget: budget, spoolDirectory: "/nonexistent", keepsBody: false, trustsStamp: false)
        collector.add(Self.plain[0])
        collector.endHeader { Self.newID }
        let body = String(repeating: "x", count: Spool.memoryLimit * 2)
        try Array(body.utf8).withUnsafeBytes { try collector.addBody($0) }
        let message = collector.finish()
        #expect(message.body.length == 0)
        #expect(message.id == id([Self.plain[0]], body: body))
    }
}

extension String {
    /// How often a text occurs.
    fileprivate func components(of text: String) -> Int { ranges(of: text).count }
}
