public import NIOCore

/// Cuts a client's octets into command lines, with bounded memory whatever the client sends.
///
/// The caller owns the buffer with the octets not yet cut, so that it can stop between two pipelined commands.
public struct POP3CommandLineDecoder: Sendable {
    public enum Line: Equatable, Sendable {
        /// A line without its line end.
        case complete(ByteBuffer)
        /// The line being received is longer than the limit. Told once for each such line, at the moment its limit is
        /// passed, so that a client which never ends the line hears of it too; the rest of the line is dropped.
        case tooLong
    }

    /// Octets without line end.
    private let limit: Int
    /// The same for lines of a SASL exchange, and for those that begin one.
    private let saslLimit: Int
    private var isSwallowing = false
    /// Octets at the start of the buffer known to hold no LF, so that a slow sender costs no quadratic time.
    private var searched = 0

    public init(limit: Int = POP3Limits.commandLine, saslLimit: Int = POP3Limits.saslLine) {
        self.limit = limit
        self.saslLimit = saslLimit
    }

    /// Takes the next line off the front of `buffer`; nil when more octets are needed.
    ///
    /// Lines end with CRLF (RFC 1939 §3) or, as Dovecot takes it, with a bare LF.
    ///
    /// - Parameter isInExchange: the line is the client's next message in a SASL exchange, and not a command.
    public mutating func next(from buffer: inout ByteBuffer, isInExchange: Bool = false) -> Line? {
        while true {
            let view = buffer.readableBytesView
            let limit = isInExchange || POP3CommandLineDecoder.beginsExchange(view) ? saslLimit : self.limit
            let lineFeed = view.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n"))
            guard let lineFeed else {
                if isSwallowing {
                    buffer.clear()
                    return nil
                }
                searched = view.count
                // One more for the CR of a line end whose LF is still on its way.
                guard view.count > limit + 1 else { return nil }
                buffer.clear()
                searched = 0
                isSwallowing = true
                return .tooLong
            }
            let length = lineFeed - view.startIndex
            searched = 0
            guard var line = buffer.readSlice(length: length) else { return nil }
            buffer.moveReaderIndex(forwardBy: 1)
            if isSwallowing {
                isSwallowing = false
                continue
            }
            if line.readableBytesView.last == UInt8(ascii: "\r") {
                line.moveWriterIndex(to: line.writerIndex - 1)
            }
            return line.readableBytes > limit ? .tooLong : .complete(line)
        }
    }

    private static func beginsExchange(_ octets: ByteBufferView) -> Bool {
        // ASCII letters with the bit that tells upper from lower case set.
        octets.count > 4 && octets[octets.startIndex + 4] == UInt8(ascii: " ")
            && octets.prefix(4).lazy.map { $0 | 0x20 }.elementsEqual("auth".utf8)
    }
}
