import MailWire
import NIOCore
import TestSupport
import Testing

@Suite struct POP3ResponseDecoderTests {
    /// Parts with the body's pieces put together, which may be cut anywhere.
    private enum Part: Equatable {
        case ok(String), error(String), challenge(String), line(String), body(String), end(Int)
    }

    private func decode(
        _ pieces: [ByteBuffer], _ shapes: [POP3ResponseShape]
    ) throws(POP3ResponseError) -> [Part] {
        var decoder = POP3ResponseDecoder()
        var shapes = shapes[...]
        var buffer = ByteBuffer()
        var parts: [Part] = []
        for var piece in pieces {
            buffer.writeBuffer(&piece)
            while true {
                if decoder.isIdle, let shape = shapes.popFirst() { decoder.expect(shape) }
                guard let part = try decoder.next(from: &buffer) else { break }
                switch part {
                case .status(let status): parts.append(status.isOK ? .ok(status.text) : .error(status.text))
                case .challenge(let octets): parts.append(.challenge(String(buffer: octets)))
                case .line(let line): parts.append(.line(String(buffer: line)))
                case .body(let octets):
                    #expect(octets.readableBytes > 0)
                    if case .body(let before) = parts.last {
                        parts[parts.count - 1] = .body(before + String(buffer: octets))
                    } else {
                        parts.append(.body(String(buffer: octets)))
                    }
                case .end(let octets): parts.append(.end(octets))
                }
            }
        }
        return parts
    }

    @Test func `decodes pipelined responses the same however they arrive`() throws {
        let input = """
            +OK hello\r\n-ERR [IN-USE] busy\r\n+OK\r\n1 cv1a\r\n..2 x\r\n.\r\n-ERR no\r\n\
            +OK 3 octets\r\na: b\r\n\r\n..dot\r\n...\r\n.x\r\n\r.\r\n.\r\n+OK bye\r\n
            """
        let shapes: [POP3ResponseShape] = [.status, .status, .lines, .lines, .body, .status]
        for pieces in everySplit(Array(input.utf8)) {
            let parts = try decode(pieces, shapes)
            #expect(
                parts == [
                    .ok("hello"), .end(0), .error("busy"), .end(0), .ok(""), .line("1 cv1a"), .line(".2 x"), .end(0),
                    .error("no"), .end(0), .ok("3 octets"), .body("a: b\r\n\r\n..dot\r\n...\r\n.x\r\n\r.\r\n"),
                    // a: b, empty, .dot, .., x and CR with dot, each with its line end.
                    .end(6 + 2 + 6 + 4 + 3 + 4), .ok("bye"), .end(0),
                ])
        }
    }

    @Test func `an exchange is challenges and a status line, however they arrive`() throws {
        let input = "+ \r\n+\r\n+ eyJ9\r\n-ERR [AUTH] no\r\n+OK in\r\n"
        for pieces in everySplit(Array(input.utf8)) {
            #expect(
                try decode(pieces, [.exchange, .exchange]) == [
                    .challenge(""), .challenge(""), .challenge("eyJ9"), .error("no"), .end(0), .ok("in"), .end(0),
                ])
        }
    }

    @Test(arguments: [
        (".\r\n", "", 0),
        ("..\r\n.\r\n", "..\r\n", 3),
        ("no line end\r\n.\r\n", "no line end\r\n", 13),
        ("a\r\n..\r\n.\r\n", "a\r\n..\r\n", 6),
        // Not the end: the line does not begin after CRLF, or is more than a dot.
        ("a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", 8),
        ("a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", 8),
        ("a\r\n.\nb\r\n.\r\n", "a\r\n.\nb\r\n", 7),
        ("a\r\n.\rb\r\n.\r\n", "a\r\n.\rb\r\n", 7),
        ("a\r\n.\r\r\n.\r\n", "a\r\n.\r\r\n", 6),
        ("\r\r\n.\r\n", "\r\r\n", 3),
        ("\0\u{1}\r\n.\r\n", "\0\u{1}\r\n", 4),
    ])
    func `finds the end of a body and counts its octets`(wire: String, body: String, octets: Int) throws {
        for pieces in everySplit(Array("+OK\r\n\(wire)".utf8)) {
            let parts = try decode(pieces, [.body])
            let expected: [Part] = body.isEmpty ? [.ok(""), .end(octets)] : [.ok(""), .body(body), .end(octets)]
            #expect(parts == expected, "pieces of \(pieces.map(\.readableBytes))")
        }
    }

    /// CR is looked for eight octets at a time: here with its neighbours, at every place, and cut at every place.
    @Test(arguments: [[0x61], [0x0c, 0x0e], [0x8d, 0x0c, 0x0d], [0x00, 0xff, 0x0e, 0x2e]] as [[UInt8]])
    func `counts the octets of lines of any length`(octets: [UInt8]) throws {
        var body: [UInt8] = []
        for length in 0..<20 {
            body += (0..<length).map { octets[(length + $0) % octets.count] }
            body += [0x0d, 0x0a]
        }
        var message: [UInt8] = []
        var unstuffing = POP3Unstuffing()
        unstuffing.append(body, to: &message)
        for pieces in everySplit(Array("+OK\r\n".utf8) + body + Array(".\r\n".utf8)) {
            #expect(try decode(pieces, [.body]).last == .end(message.count))
        }
    }

    @Test func `three pieces, cut at every two places, leave a body of dots whole`() throws {
        let body = "x\r\n..\r\n...\r\n.\r.\r\n"
        let wire = Array("+OK\r\n\(body).\r\n".utf8)
        for first in 1..<wire.count - 1 {
            for second in first + 1..<wire.count {
                let pieces = [wire[..<first], wire[first..<second], wire[second...]].map { ByteBuffer(bytes: $0) }
                #expect(try decode(pieces, [.body]) == [.ok(""), .body(body), .end(3 + 3 + 4 + 4)])
            }
        }
    }

    @Test(
        arguments: [
            ("* OK IMAP4rev1 ready\r\n", .status, .notPOP3),
            ("220 mail ESMTP\r\n", .status, .notPOP3),
            ("+OKAY\r\n", .status, .notPOP3),
            ("+ eyJ9\r\n", .status, .notPOP3),
            ("+eyJ9\r\n", .exchange, .notPOP3),
            ("+ " + String(repeating: "x", count: 20_000), .exchange, .lineTooLong),
            ("\r\n", .status, .notPOP3),
            (String(repeating: "x", count: 3_000), .status, .lineTooLong),
            ("+OK\r\n" + String(repeating: "1", count: 600), .lines, .lineTooLong),
            ("+OK\r\n" + String(repeating: "1", count: 600) + "\r\n.\r\n", .lines, .lineTooLong),
            ("+OK\r\n+OK\r\n", .status, .unexpected),
        ] as [(String, POP3ResponseShape, POP3ResponseError)])
    func `gives up a server that does not speak POP3`(
        wire: String, shape: POP3ResponseShape, expected: POP3ResponseError
    ) {
        #expect(throws: expected) { try decode([ByteBuffer(string: wire)], [shape]) }
    }

    @Test(
        arguments: [
            ("+OK", true, nil, ""), ("+OK [XCLIENT] Dovecot ready.", true, "XCLIENT", "Dovecot ready."),
            ("-ERR [AUTH] no", false, "AUTH", "no"), ("-ERR [sys/temp] x", false, "SYS/TEMP", "x"),
            ("-ERR [broken", false, nil, "[broken"), ("-ERR \u{1b}[2J", false, nil, "?[2J"),
        ] as [(String, Bool, String?, String)])
    func `reads a status line and its response code`(line: String, isOK: Bool, code: String?, text: String) {
        #expect(POP3Status(line: ByteBuffer(string: line)) == POP3Status(isOK: isOK, code: code, text: text))
    }

    @Test(
        arguments: [
            ("IN-USE", true), ("LOGIN-DELAY", true), ("SYS/TEMP", true), ("SYS/PERM", true), ("AUTH", false),
            (nil, false),
        ] as [(String?, Bool)])
    func `tells a server's fault from a wrong password`(code: String?, isServers: Bool) {
        #expect(POP3Status(isOK: false, code: code).isTemporary == isServers)
    }

    @Test(
        arguments: [
            ("1 120", 1, 120), ("7 0", 7, 0), ("7 5 extra words", 7, 5), ("0 1", nil, nil), ("1", nil, nil),
            ("1 -5", nil, nil), ("x 5", nil, nil), ("99999999999999999999 1", nil, nil), ("", nil, nil),
        ] as [(String, Int?, Int?)])
    func `reads a line of LIST`(line: String, number: Int?, octets: Int?) {
        let parsed = POP3SizeLine(ByteBuffer(string: line))
        #expect(parsed?.number == number)
        #expect(parsed?.octets == octets)
    }

    @Test(
        arguments: [
            ("1 cv1abc", "cv1abc"), ("12 ~!x", "~!x"), ("1", nil), ("1 a b", nil), ("0 a", nil), ("1 \u{e9}", nil),
            ("1 a\tb", nil), ("1 " + String(repeating: "a", count: 300), nil),
        ] as [(String, String?)])
    func `reads a line of UIDL`(line: String, uniqueID: String?) {
        #expect(POP3UniqueIDLine(ByteBuffer(string: line))?.uniqueID == uniqueID)
    }
}
