public import NIOCore

/// Turns what a server sends into replies (RFC 5321 §4.2.1), whatever the pieces it comes in.
public struct SMTPReplyDecoder: NIOSingleStepByteToMessageDecoder {
    public typealias InboundOut = SMTPReply

    /// RFC 5321 §4.5.3.1.5 allows 512 octets; some servers put long texts behind a policy refusal.
    public static let longestLine = 4096
    /// A server that offers more capabilities than this is not sane.
    public static let mostLines = 200

    /// What a server may not send.
    public enum Failure: Error, Equatable, CustomStringConvertible {
        case lineTooLong
        case tooManyLines
        case notAReply(String)
        case codeChanged(from: Int, to: Int)
        case cutShort

        public var description: String {
            switch self {
            case .lineTooLong: "a reply line of more than \(SMTPReplyDecoder.longestLine) octets"
            case .tooManyLines: "a reply of more than \(SMTPReplyDecoder.mostLines) lines"
            case .notAReply(let line): "not a reply: \"\(line)\""
            case .codeChanged(let from, let to): "a reply that begins with \(from) and goes on with \(to)"
            case .cutShort: "connection closed in the middle of a reply"
            }
        }
    }

    private var code: Int?
    private var lines: [String] = []
    /// Octets at the front of the buffer that are known to hold no line end.
    private var searched = 0

    public init() {}

    public mutating func decode(buffer: inout ByteBuffer) throws -> SMTPReply? {
        while let line = try nextLine(&buffer) {
            if let reply = try take(line) { return reply }
        }
        return nil
    }

    public mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> SMTPReply? {
        if let reply = try decode(buffer: &buffer) { return reply }
        if seenEOF, buffer.readableBytes > 0 || code != nil { throw Failure.cutShort }
        return nil
    }

    private mutating func nextLine(_ buffer: inout ByteBuffer) throws(Failure) -> [UInt8]? {
        let view = buffer.readableBytesView
        guard let end = view.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n")) else {
            searched = view.count
            if view.count > SMTPReplyDecoder.longestLine { throw .lineTooLong }
            return nil
        }
        searched = 0
        let length = end - view.startIndex
        if length > SMTPReplyDecoder.longestLine { throw .lineTooLong }
        var line = buffer.readBytes(length: length) ?? []
        buffer.moveReaderIndex(forwardBy: 1)
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return line
    }

    private mutating func take(_ line: [UInt8]) throws(Failure) -> SMTPReply? {
        let digits = line.prefix(3)
        guard digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }),
            (UInt8(ascii: "2")...UInt8(ascii: "5")).contains(line[0])
        else { throw .notAReply(printable(line)) }
        let number = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        let isLast: Bool
        switch line.count > 3 ? line[3] : UInt8(ascii: " ") {
        case UInt8(ascii: " "): isLast = true
        case UInt8(ascii: "-"): isLast = false
        default: throw .notAReply(printable(line))
        }
        // RFC 5321 §4.2.1: every line of a reply carries the same code.
        if let code, code != number { throw .codeChanged(from: code, to: number) }
        code = number
        lines.append(SMTPReplyDecoder.text(line.dropFirst(4)))
        if lines.count > SMTPReplyDecoder.mostLines { throw .tooManyLines }
        guard isLast else { return nil }
        defer {
            code = nil
            lines = []
        }
        return SMTPReply(code: number, lines: lines)
    }

    /// The text of a reply goes on to logs and to the sender, so it must not carry control octets (RFC 5321 §4.2 knows
    /// no other than HT in it).
    private static func text(_ octets: ArraySlice<UInt8>) -> String {
        String(decoding: octets.map { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
    }

    /// The beginning of what a server sent, fit for a log line.
    private func printable(_ line: [UInt8]) -> String {
        String(decoding: line.prefix(60).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
