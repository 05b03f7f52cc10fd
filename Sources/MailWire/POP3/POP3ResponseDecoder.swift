public import NIOCore

/// What kind of response a command asks for.
public enum POP3ResponseShape: Equatable, Sendable {
    /// One status line.
    case status
    /// Challenges, then one status line (AUTH, RFC 5034 §4).
    case exchange
    /// A status line and, if it is `+OK`, lines up to a dot (CAPA, LIST, UIDL).
    case lines
    /// A status line and, if it is `+OK`, a message or part of one up to a dot (RETR, TOP).
    case body
}

/// A piece of a server's response.
public enum POP3ResponsePart: Equatable, Sendable {
    case status(POP3Status)
    /// What a challenge says, in base 64 as it came. More comes when the server has an answer to it.
    case challenge(ByteBuffer)
    /// One line, dot-stuffing removed, without line end.
    case line(ByteBuffer)
    /// Octets of the message exactly as they came, dot-stuffing included.
    case body(ByteBuffer)
    /// The response is complete. `octets`: size of the body without dot-stuffing, 0 where there was none.
    case end(octets: Int)
}

/// What a server did that POP3 does not allow.
public enum POP3ResponseError: Error, Equatable, Sendable, CustomStringConvertible {
    case notPOP3
    case lineTooLong
    /// Octets came that no command asked for.
    case unexpected

    public var description: String {
        switch self {
        case .notPOP3: "the server's response is neither +OK nor -ERR"
        case .lineTooLong: "the server sent an over-long line"
        case .unexpected: "the server sent something that was not asked for"
        }
    }
}

/// Decodes a server's responses, one after another.
///
/// `expect(_:)` says what is due; then `next(from:)` gives its parts up to `.end`.
public struct POP3ResponseDecoder: Sendable {
    private enum State {
        case idle
        case status(POP3ResponseShape)
        case lines
        case body(POP3BodyScanner)
    }

    private var state = State.idle
    /// Octets at the start of the buffer known to hold no LF.
    private var searched = 0
    /// A slice waiting behind octets of the one before.
    private var pendingBody: ByteBuffer?
    private var pendingEnd: Int?

    public init() {}

    /// Whether no response is due.
    public var isIdle: Bool {
        if case .idle = state { return pendingBody == nil && pendingEnd == nil }
        return false
    }

    /// Says which response comes next. Only when the one before is complete.
    public mutating func expect(_ shape: POP3ResponseShape) {
        precondition(isIdle, "a response is still due: the caller must keep its commands in a queue")
        state = .status(shape)
    }

    /// Takes the next part off the front of `buffer`; nil when more octets are needed.
    public mutating func next(from buffer: inout ByteBuffer) throws(POP3ResponseError) -> POP3ResponsePart? {
        if let body = pendingBody {
            pendingBody = nil
            return .body(body)
        }
        if let octets = pendingEnd {
            pendingEnd = nil
            return .end(octets: octets)
        }
        switch state {
        case .idle:
            guard buffer.readableBytes == 0 else { throw .unexpected }
            return nil
        case .status(let shape):
            // Only a challenge may be long.
            let limit = shape == .exchange ? POP3Limits.saslLine : POP3Limits.statusLine
            guard let line = try line(from: &buffer, limit: limit) else { return nil }
            if shape == .exchange, let challenge = POP3ResponseDecoder.challenge(in: line) {
                return .challenge(challenge)
            }
            guard let status = POP3Status(line: line) else { throw .notPOP3 }
            switch shape {
            case .lines where status.isOK: state = .lines
            case .body where status.isOK: state = .body(POP3BodyScanner())
            case .status, .exchange, .lines, .body:
                state = .idle
                pendingEnd = 0
            }
            return .status(status)
        case .lines:
            guard var line = try line(from: &buffer, limit: POP3Limits.listingLine) else { return nil }
            if line.readableBytesView.first == UInt8(ascii: ".") {
                line.moveReaderIndex(forwardBy: 1)
                if line.readableBytes == 0 {
                    state = .idle
                    return .end(octets: 0)
                }
            }
            return .line(line)
        case .body(let scanner):
            return body(scanner, from: &buffer)
        }
    }

    /// RFC 5034 §4: `+`, a space and base 64. Some servers leave the space out where nothing follows.
    private static func challenge(in line: ByteBuffer) -> ByteBuffer? {
        var line = line
        guard line.readInteger(as: UInt8.self) == UInt8(ascii: "+") else { return nil }
        guard let space = line.readInteger(as: UInt8.self) else { return line }
        return space == UInt8(ascii: " ") ? line : nil
    }

    private mutating func body(_ scanner: POP3BodyScanner, from buffer: inout ByteBuffer) -> POP3ResponsePart? {
        guard buffer.readableBytes > 0 else { return nil }
        var scanner = scanner
        let progress = buffer.withUnsafeReadableBytes { scanner.scan($0) }
        state = .body(scanner)
        let content = progress.content > 0 ? buffer.getSlice(at: buffer.readerIndex, length: progress.content) : nil
        buffer.moveReaderIndex(forwardBy: progress.consumed)
        if progress.isAtEnd {
            state = .idle
            pendingEnd = scanner.octets
        }
        switch progress.released {
        case .nothing: break
        case .dot:
            pendingBody = content
            return .body(ByteBuffer(string: "."))
        case .dotCR:
            pendingBody = content
            return .body(ByteBuffer(string: ".\r"))
        }
        if let content { return .body(content) }
        if let octets = pendingEnd {
            pendingEnd = nil
            return .end(octets: octets)
        }
        return nil
    }

    private mutating func line(
        from buffer: inout ByteBuffer, limit: Int
    ) throws(POP3ResponseError) -> ByteBuffer? {
        let view = buffer.readableBytesView
        guard let lineFeed = view.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n")) else {
            searched = view.count
            // One more for the CR of a line end whose LF is still on its way.
            guard view.count <= limit + 1 else { throw .lineTooLong }
            return nil
        }
        searched = 0
        let length = lineFeed - view.startIndex
        guard var line = buffer.readSlice(length: length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 1)
        if line.readableBytesView.last == UInt8(ascii: "\r") {
            line.moveWriterIndex(to: line.writerIndex - 1)
        }
        guard line.readableBytes <= limit else { throw .lineTooLong }
        return line
    }
}
