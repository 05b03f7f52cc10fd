import NIOCore
import NIOEmbedded
import Testing

@testable import MailWire

@Suite struct SMTPReplyDecoderTests {
    /// Feeds the pieces through the handler that the connections use; replies in order, and the error if one came.
    private func decode(_ pieces: [[UInt8]], end: Bool = false) -> (replies: [SMTPReply], failure: String?) {
        let channel = EmbeddedChannel(handler: ByteToMessageHandler(SMTPReplyDecoder()))
        var failure: String?
        do {
            for piece in pieces { try channel.writeInbound(ByteBuffer(bytes: piece)) }
            if end { _ = try channel.finish() }
        } catch {
            failure = "\(error)"
        }
        var replies: [SMTPReply] = []
        while let reply = try? channel.readInbound(as: SMTPReply.self) { replies.append(reply) }
        return (replies, failure)
    }

    struct Good: Sendable, CustomTestStringConvertible {
        var octets: String
        var replies: [SMTPReply]
        var testDescription: String { octets.debugDescription }
    }

    static let good: [Good] = [
        Good(octets: "250 ok\r\n", replies: [SMTPReply(code: 250, lines: ["ok"])]),
        Good(octets: "250\r\n", replies: [SMTPReply(code: 250, lines: [""])]),
        Good(octets: "250 \r\n", replies: [SMTPReply(code: 250, lines: [""])]),
        Good(octets: "250 bare line feed\n", replies: [SMTPReply(code: 250, lines: ["bare line feed"])]),
        Good(
            octets: "250-a\r\n250-\r\n250 c\r\n", replies: [SMTPReply(code: 250, lines: ["a", "", "c"])]),
        Good(
            octets: "250-mixed\n250 ends\r\n421 4.3.0 bye\n",
            replies: [
                SMTPReply(code: 250, lines: ["mixed", "ends"]), SMTPReply(code: 421, lines: ["4.3.0 bye"]),
            ]),
        Good(
            octets: "354 go\r\n599 x\r\n",
            replies: [
                SMTPReply(code: 354, lines: ["go"]), SMTPReply(code: 599, lines: ["x"]),
            ]),
    ]

    @Test(arguments: good)
    func `replies come out the same whole, octet by octet and at every split`(example: Good) {
        let octets = Array(example.octets.utf8)
        #expect(decode([octets]).replies == example.replies)
        #expect(decode(octets.map { [$0] }).replies == example.replies)
        for place in 1..<octets.count {
            let halves = decode([Array(octets[..<place]), Array(octets[place...])])
            #expect(halves.replies == example.replies, "split at \(place)")
            #expect(halves.failure == nil)
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 400 Bad Request\r\n", #"not a reply: "HTTP/1.1 400 Bad Request""#),
        ("+OK POP3 ready\r\n", #"not a reply: "+OK POP3 ready""#),
        ("\r\n", #"not a reply: """#),
        ("25\r\n", #"not a reply: "25""#),
        ("150 no such class\r\n", #"not a reply: "150 no such class""#),
        ("650 no such class\r\n", #"not a reply: "650 no such class""#),
        ("250+ok\r\n", #"not a reply: "250+ok""#),
        ("2500 ok\r\n", #"not a reply: "2500 ok""#),
        (" 250 ok\r\n", #"not a reply: " 250 ok""#),
        ("250-a\r\n251 b\r\n", "a reply that begins with 250 and goes on with 251"),
        ("\u{0}\u{1}\u{7f}\r\n", #"not a reply: "???""#),
    ])
    func `what is not a reply is named, whatever the pieces`(octets: String, failure: String) {
        let octets = Array(octets.utf8)
        #expect(decode([octets]).failure == failure)
        #expect(decode(octets.map { [$0] }).failure == failure)
        #expect(decode([octets]).replies.isEmpty)
    }

    @Test(arguments: [(4092, true), (4093, false)])
    func `a line may have 4096 octets with its code, no more`(text: Int, isGood: Bool) {
        let octets = Array(("250 " + String(repeating: "x", count: text) + "\n").utf8)
        for pieces in [[octets], octets.map { [$0] }] {
            let result = decode(pieces)
            #expect((result.failure == nil) == isGood)
            #expect(result.replies.count == (isGood ? 1 : 0))
        }
    }

    @Test func `a line without an end is refused before it fills the memory`() {
        let result = decode(Array(repeating: Array(repeating: UInt8(ascii: "2"), count: 1000), count: 5))
        #expect(result.failure == "a reply line of more than 4096 octets")
    }

    @Test(arguments: [(200, true), (201, false)])
    func `a reply may have 200 lines, no more`(count: Int, isGood: Bool) {
        let text = String(repeating: "250-x\r\n", count: count - 1) + "250 x\r\n"
        let result = decode([Array(text.utf8)])
        #expect((result.failure == nil) == isGood)
        #expect(result.replies.first?.lines.count == (isGood ? count : nil))
    }

    @Test(arguments: ["2", "250", "250 ok", "250 ok\r", "250-a\r\n", "250-a\r\n250"])
    func `a reply that the end of the connection cuts short is an error`(octets: String) {
        let result = decode([Array(octets.utf8)], end: true)
        #expect(result.replies.isEmpty)
        #expect(result.failure == "connection closed in the middle of a reply")
    }

    @Test func `an end between replies is none`() {
        let result = decode([Array("250 ok\r\n".utf8)], end: true)
        #expect(result.failure == nil)
    }

    @Test func `control octets and broken UTF-8 in a text do no harm`() {
        let octets = Array("550 a".utf8) + [0, 0x1B, 0x0D, 0x09, 0x7F, 0xFF, 0xC3, 0xA9] + Array("\r\n".utf8)
        #expect(decode([octets]).replies == [SMTPReply(code: 550, lines: ["a???\t?\u{FFFD}é"])])
    }
}

@Suite struct SMTPReplyTests {
    @Test(
        arguments: [
            (550, ["5.1.1 unknown user"], "5.1.1", "unknown user"),
            (550, ["5.1.1"], "5.1.1", ""),
            (550, ["5.1.1 a", "5.1.1 b"], "5.1.1", "a b"),
            (550, ["4.1.1 class of another code"], nil, "4.1.1 class of another code"),
            (250, ["2.0.0 ok"], "2.0.0", "ok"),
            (250, [""], nil, ""),
            (550, ["5.1 x"], nil, "5.1 x"),
            (550, ["5.1.1.1 x"], nil, "5.1.1.1 x"),
            (550, ["5..1 x"], nil, "5..1 x"),
            (550, ["5.1234.1 x"], nil, "5.1234.1 x"),
            (550, [], nil, ""),
        ] as [(Int, [String], String?, String)])
    func `the enhanced status code is told from the text`(
        code: Int, lines: [String], status: String?, text: String
    ) {
        let reply = SMTPReply(code: code, lines: lines)
        #expect(reply.enhancedStatus?.description == status)
        #expect(reply.text == text)
    }

    @Test func `capabilities are read in any case, the server's name is none of them`() {
        let hello = SMTPReply(
            code: 250, lines: ["SIZE", "pipelining", "Chunking", "8bitMIME", "XCLIENT addr NAME", "X"])
        var expected = SMTPCapabilities()
        expected.pipelining = true
        expected.chunking = true
        expected.eightBitMIME = true
        expected.xclient = ["ADDR", "NAME"]
        #expect(SMTPCapabilities(hello: hello) == expected)
    }
}
