import MailWire
import NIOCore

/// A message on its way into one connection.
struct LMTPUpload {
    private let message: OutgoingMessage
    private var stuffing: DotStuffing?
    private var headerSent = false
    private var bodyOffset = 0
    private var endSent = false

    init(message: OutgoingMessage, framing: LMTPClientState.Framing) {
        self.message = message
        stuffing = framing == .dotStuffed ? DotStuffing() : nil
    }

    var isComplete: Bool { headerSent && bodyOffset == message.body.length && (stuffing == nil || endSent) }

    /// The next piece, or nil when there is none.
    mutating func next(most: Int) throws -> ByteBuffer? {
        if !headerSent {
            headerSent = true
            return framed(message.header)
        }
        if bodyOffset < message.body.length {
            let piece = try message.body.read(at: bodyOffset, most: most)
            // Fewer or more octets than BDAT announced would make the server take commands for message or the reverse.
            guard (1...min(most, message.body.length - bodyOffset)).contains(piece.readableBytes) else {
                throw LMTPConnectionError(reason: "\(piece.readableBytes) octets at offset \(bodyOffset)")
            }
            bodyOffset += piece.readableBytes
            return framed(piece)
        }
        guard let stuffing, !endSent else { return nil }
        endSent = true
        return ByteBuffer(string: stuffing.end())
    }

    private mutating func framed(_ piece: ByteBuffer) -> ByteBuffer {
        stuffing?.frame(piece) ?? piece
    }
}
