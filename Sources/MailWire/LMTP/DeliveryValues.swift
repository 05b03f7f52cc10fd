public import NIOCore

/// The envelope of a message (RFC 5321 §2.3.1).
public struct Envelope: Sendable, Equatable {
    /// The reverse-path without angle brackets; empty for a bounce.
    public var sender: String
    /// `BODY=` as the sender declared it at MAIL, or nil: passed on where the server offers 8BITMIME (RFC 6152).
    public var bodyType: String?
    /// Envelope recipients without angle brackets, at least one.
    public var recipients: [String]
    /// Who brought the message, for the server's log; nil where there is nothing to say.
    public var client: SendingClient?

    public init(
        sender: String, bodyType: String? = nil, recipients: [String], client: SendingClient? = nil
    ) {
        self.sender = sender
        self.bodyType = bodyType
        self.recipients = recipients
        self.client = client
    }
}

/// A message on its way to the mailbox servers: the header in memory, the body wherever its owner keeps it.
///
/// All servers read the same storage; a value of this type is copied without copying octets.
public struct OutgoingMessage: Sendable {
    /// The header section with the empty line that ends it, lines ending in CRLF.
    public var header: ByteBuffer
    /// The body: lines ending in CRLF, not dot-stuffed.
    public var body: any MessageBody

    public init(header: ByteBuffer, body: any MessageBody) {
        self.header = header
        self.body = body
    }

    /// Octets of header and body together.
    public var length: Int { header.readableBytes + body.length }
}

/// A message body that can be read from any place, by several readers at once.
public protocol MessageBody: Sendable {
    /// Octets.
    var length: Int { get }
    /// Reads octets from `offset` on: at least one while `offset < length`, at most `most`. Throws when they cannot be
    /// read.
    func read(at offset: Int, most: Int) throws -> ByteBuffer
}

/// A body that lies in memory.
public struct BufferedBody: MessageBody {
    private let octets: ByteBuffer

    public init(_ octets: ByteBuffer) {
        self.octets = octets
    }

    public var length: Int { octets.readableBytes }

    public func read(at offset: Int, most: Int) -> ByteBuffer {
        let length = min(most, octets.readableBytes - offset)
        // A slice shares the octets; out of range is a fault of the caller.
        guard let slice = octets.getSlice(at: octets.readerIndex + offset, length: length) else {
            preconditionFailure("read at \(offset) of a body of \(octets.readableBytes) octets")
        }
        return slice
    }
}

/// What became of one envelope recipient at one server.
public enum RecipientOutcome: Sendable, Equatable {
    /// The server took responsibility for the copy; in a probe, it would take one.
    case accepted(SMTPReply)
    /// The server refused; its reply says whether for good (5xx) or for now (4xx), and at what stage.
    case refused(SMTPReply, Stage)
    /// No connection, no answer in time, or nonsense for an answer, before the whole message was sent.
    case unreachable(String)
    /// The whole message was sent but no reply to it came: it may have been stored or not.
    case unknown(String)

    public enum Stage: String, Sendable, Equatable {
        case connect, mail, recipient, data
    }
}

/// A mailbox server to which copies can be delivered.
public protocol CopyDestination: Sendable {
    /// The server's name in the configuration.
    var name: String { get }
    /// Delivers one message; returns one outcome per envelope recipient, in their order. Never throws: whatever goes
    /// wrong is an outcome.
    func deliver(_ message: OutgoingMessage, to envelope: Envelope) async -> [RecipientOutcome]
    /// Asks whether the server would take mail for the recipients; delivers nothing.
    func probe(_ envelope: Envelope) async -> [RecipientOutcome]
}
