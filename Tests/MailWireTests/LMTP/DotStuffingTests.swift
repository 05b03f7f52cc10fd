import NIOCore
import Testing

@testable import MailWire

@Suite struct DotStuffingTests {
    /// The rule octet by octet: a dot after a line feed or at the beginning is doubled.
    private func reference(_ octets: [UInt8]) -> [UInt8] {
        var framed: [UInt8] = []
        var last = UInt8(ascii: "\n")
        for octet in octets {
            if octet == UInt8(ascii: "."), last == UInt8(ascii: "\n") { framed.append(octet) }
            framed.append(octet)
            last = octet
        }
        let hasLineEnd = octets.count >= 2 && octets[octets.count - 2] == 13 && octets[octets.count - 1] == 10
        return framed + Array((hasLineEnd ? "" : "\r\n").utf8) + Array(".\r\n".utf8)
    }

    private func frame(_ pieces: [[UInt8]]) -> [UInt8] {
        var stuffing = DotStuffing()
        var framed: [UInt8] = []
        for piece in pieces {
            // A piece in the middle of a larger buffer, as it comes from a socket.
            var buffer = ByteBuffer(bytes: [1, 46, 10] + piece + [46, 10])
            buffer.moveReaderIndex(forwardBy: 3)
            framed += Array(stuffing.frame(buffer.readSlice(length: piece.count) ?? ByteBuffer()).readableBytesView)
        }
        return framed + Array(stuffing.end().utf8)
    }

    @Test(arguments: [
        ("", "\r\n.\r\n"),
        ("a\r\n", "a\r\n.\r\n"),
        ("a", "a\r\n.\r\n"),
        ("a\n", "a\n\r\n.\r\n"),
        ("a\r", "a\r\r\n.\r\n"),
        (".", "..\r\n.\r\n"),
        (".\r\n.\r\n", "..\r\n..\r\n.\r\n"),
        ("..\r\n...\r\n", "...\r\n....\r\n.\r\n"),
        ("a\n.\nb\r\n", "a\n..\nb\r\n.\r\n"),
        ("a\r.\r\nb\r\n", "a\r.\r\nb\r\n.\r\n"),
        ("a\n.\r\nMAIL\r\n", "a\n..\r\nMAIL\r\n.\r\n"),
        ("a.\r\nb.c\r\n", "a.\r\nb.c\r\n.\r\n"),
        ("\r\n\r\n", "\r\n\r\n.\r\n"),
    ])
    func `a message is framed the same wherever it is cut`(message: String, framed: String) {
        let octets = Array(message.utf8)
        #expect(String(decoding: frame([octets]), as: UTF8.self) == framed)
        #expect(String(decoding: frame(octets.map { [$0] }), as: UTF8.self) == framed)
        for first in 0...octets.count {
            for second in first...octets.count {
                let pieces = [Array(octets[..<first]), Array(octets[first..<second]), Array(octets[second...])]
                #expect(String(decoding: frame(pieces), as: UTF8.self) == framed, "cut at \(first), \(second)")
            }
        }
    }

    @Test func `random messages in random pieces are framed as the rule octet by octet says`() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("..\r\n\n\ra".utf8)
        for _ in 0..<3000 {
            let octets = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                alphabet[Int.random(in: alphabet.indices, using: &random)]
            }
            var pieces: [[UInt8]] = []
            var rest = octets[...]
            while !rest.isEmpty {
                let length = Int.random(in: 0...min(7, rest.count), using: &random)
                pieces.append(Array(rest.prefix(length)))
                rest = rest.dropFirst(length)
            }
            #expect(frame(pieces) == reference(octets), "\(pieces)")
        }
    }

    @Test func `a piece without dots is not copied`() {
        var stuffing = DotStuffing()
        let piece = ByteBuffer(string: "no dot at a line's start.\r\nnone.\r\n")
        let framed = stuffing.frame(piece)
        let same = framed.withUnsafeReadableBytes { framed in
            piece.withUnsafeReadableBytes { framed.baseAddress == $0.baseAddress }
        }
        #expect(same)
    }
}
