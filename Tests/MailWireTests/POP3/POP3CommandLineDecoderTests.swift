import MailWire
import NIOCore
import TestSupport
import Testing

@Suite struct POP3CommandLineDecoderTests {
    /// What comes of `octets` when they arrive in those pieces; nil stands for a line that was too long.
    private func lines(_ pieces: [ByteBuffer], limit: Int) -> [String?] {
        var decoder = POP3CommandLineDecoder(limit: limit)
        var buffer = ByteBuffer()
        var lines: [String?] = []
        for var piece in pieces {
            buffer.writeBuffer(&piece)
            while let line = decoder.next(from: &buffer) {
                switch line {
                case .complete(let octets): lines.append(String(buffer: octets))
                case .tooLong: lines.append(nil)
                }
            }
        }
        return lines
    }

    @Test(
        arguments: [
            ("STAT\r\n", ["STAT"]),
            ("STAT\nNOOP\n", ["STAT", "NOOP"]),
            ("USER a\r\nPASS b c\r\nSTAT\r\n", ["USER a", "PASS b c", "STAT"]),
            ("\r\n\n", ["", ""]),
            ("STA", []),
            ("12345678\r\n", ["12345678"]),
            ("123456789\r\nNOOP\r\n", [nil, "NOOP"]),
            ("1234567890123456789012345678901234567890\r\nNOOP\r\n", [nil, "NOOP"]),
            ("1234567890123456789012345678901234567890", [nil]),
            ("a\rb\r\n", ["a\rb"]),
        ] as [(String, [String?])])
    func `cuts lines the same however they arrive`(input: String, expected: [String?]) {
        for pieces in everySplit(Array(input.utf8)) {
            #expect(lines(pieces, limit: 8) == expected, "pieces of \(pieces.map(\.readableBytes))")
        }
    }

    @Test func `a line of a megabyte costs one complaint and no memory`() {
        var decoder = POP3CommandLineDecoder()
        var buffer = ByteBuffer()
        var complaints = 0
        for _ in 0..<1_024 {
            buffer.writeRepeatingByte(UInt8(ascii: "x"), count: 1_024)
            while let line = decoder.next(from: &buffer) {
                #expect(line == .tooLong)
                complaints += 1
            }
            #expect(buffer.readableBytes <= POP3Limits.commandLine + 1)
        }
        buffer.writeString("\r\nNOOP\r\n")
        #expect(decoder.next(from: &buffer) == .complete(ByteBuffer(string: "NOOP")))
        #expect(complaints == 1)
    }

    @Test(
        arguments: [
            ("AUTH 7890123456\r\n", false, ["AUTH 7890123456"]), ("auth 7890123456\r\n", false, ["auth 7890123456"]),
            ("AUTH 78901234567\r\n", false, [nil]), ("AUTHX7890\r\n", false, [nil]),
            ("7890123456\r\n", true, ["7890123456"]),
            ("7890123456789012\r\n", true, [nil]),
        ] as [(String, Bool, [String?])])
    func `lines of an exchange may be longer`(input: String, isInExchange: Bool, expected: [String?]) {
        for pieces in everySplit(Array(input.utf8)) {
            var decoder = POP3CommandLineDecoder(limit: 8, saslLimit: 15)
            var buffer = ByteBuffer()
            var lines: [String?] = []
            for var piece in pieces {
                buffer.writeBuffer(&piece)
                while let line = decoder.next(from: &buffer, isInExchange: isInExchange) {
                    if case .complete(let octets) = line {
                        lines.append(String(buffer: octets))
                    } else {
                        lines.append(nil)
                    }
                }
            }
            #expect(lines == expected)
        }
    }
}
