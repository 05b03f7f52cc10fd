public import CoveyCore
public import MailWire
import NIOCore

/// Takes a message from the MTA, header field by header field and piece by piece of the body, and makes of it what is
/// stored: its id, the fields to remove, and the copy for the mailbox servers.
public struct MessageCollector: ~Copyable {
    /// Received fields that our own hops may have put on top of a message since it was stamped (design §3).
    public static let ownHops = 4

    private let key: ClusterKey
    private let keepsBody: Bool
    private let trustsStamp: Bool
    private var spool: Spool
    private var fields: [HeaderField] = []
    /// One hasher for a fresh id; at the back door also one for each number of Received fields left out, while a
    /// stamp is there to compare with.
    private var hashers: [ContentHasher] = []
    private var claimed: [UniqueID] = []
    private var addedMessageID: HeaderField?

    /// - Parameters:
    ///   - keepsBody: false where no copy will be delivered from here: the body is then only hashed.
    ///   - trustsStamp: whether a stamp that verifies is kept (the back door).
    public init(
        key: ClusterKey, budget: SpoolBudget, spoolDirectory: String, keepsBody: Bool, trustsStamp: Bool
    ) {
        self.key = key
        self.keepsBody = keepsBody
        self.trustsStamp = trustsStamp
        spool = Spool(budget: budget, directory: spoolDirectory)
    }

    public mutating func add(_ field: HeaderField) {
        fields.append(field)
    }

    /// The header is complete; to be called once, before the first of the body and before `finish`.
    ///
    /// - Parameter newMessageID: makes a Message-ID, `<left@right>`, for a message that has nothing to tell it from
    ///   another sending of the same text.
    public mutating func endHeader(newMessageID: () -> String) {
        var fresh = ContentHasher(key: key)
        for field in fields { fresh.add(field) }
        if !fresh.hasDistinguishingField {
            let field = HeaderField("Message-ID", " \(newMessageID())")
            addedMessageID = field
            fresh.add(field)
        }
        hashers = [fresh]
        if trustsStamp {
            claimed = fields.filter { $0.isNamed("x-uidl") }.compactMap { field in
                UniqueID(stamp: MessageCollector.trimmed(field.value))
            }
            if !claimed.isEmpty { addHashersForOwnHops() }
        }
        for index in hashers.indices { hashers[index].endHeader() }
    }

    private mutating func addHashersForOwnHops() {
        let received = fields.count { $0.isNamed("received") }
        for hops in 1...MessageCollector.ownHops where hops <= received {
            var hasher = ContentHasher(key: key)
            var toSkip = hops
            for field in fields {
                if toSkip > 0, field.isNamed("received") {
                    toSkip -= 1
                } else {
                    hasher.add(field)
                }
            }
            hashers.append(hasher)
        }
    }

    public mutating func addBody(_ octets: UnsafeRawBufferPointer) throws(SpoolError) {
        for index in hashers.indices { hashers[index].addBody(octets) }
        if keepsBody { try spool.append(octets) }
    }

    public consuming func finish() -> CollectedMessage {
        let ids = hashers.map { $0.finish() }
        let stampCount = fields.count { $0.isNamed("x-uidl") }
        let verified = claimed.first { ids.contains($0) }
        return CollectedMessage(
            id: verified ?? ids[0],
            // A single stamp that verifies stays where it is; beside others it is set again, last and alone.
            keepsStamp: verified != nil && stampCount == 1,
            fields: fields, addedMessageID: addedMessageID, body: spool.finish())
    }

    private static func trimmed(_ value: [UInt8]) -> Substring {
        let text = Substring(decoding: value, as: UTF8.self)
        return text.drop { $0.isWhitespace }.trimmingSuffix { $0.isWhitespace }
    }
}

extension Substring {
    fileprivate func trimmingSuffix(while condition: (Character) -> Bool) -> Substring {
        var result = self
        while let last = result.last, condition(last) { result.removeLast() }
        return result
    }
}

/// A whole message and what was found out about it.
public struct CollectedMessage: Sendable {
    public let id: UniqueID
    /// Whether the message carries its stamp already and nothing is to be changed about it.
    public let keepsStamp: Bool
    public let fields: [HeaderField]
    /// The Message-ID that was missing.
    public let addedMessageID: HeaderField?
    public let body: any MessageBody

    /// How many X-UIDL fields the MTA is to remove, however they are written.
    public var stampsToRemove: Int {
        keepsStamp ? 0 : fields.count { $0.isNamed("x-uidl") }
    }

    /// Value of the Message-ID field, for the log.
    public var messageID: String? {
        let field = fields.first { $0.isNamed("message-id") } ?? addedMessageID
        return field.map { String(decoding: $0.value.drop { $0 == UInt8(ascii: " ") }, as: UTF8.self) }
    }

    /// The message as it is delivered to the mailbox servers: our trace on top, the fields as they arrived, the stamp
    /// last.
    ///
    /// - Parameter trace: a Received field's value lines, without the name.
    public func copy(trace: String) -> OutgoingMessage {
        var header = ByteBuffer()
        header.writeString("Received: \(trace)\r\n")
        for field in fields where keepsStamp || !field.isNamed("x-uidl") { CollectedMessage.write(field, to: &header) }
        if let addedMessageID { CollectedMessage.write(addedMessageID, to: &header) }
        if !keepsStamp { header.writeString("X-UIDL: \(id)\r\n") }
        header.writeString("\r\n")
        return OutgoingMessage(header: header, body: body)
    }

    private static func write(_ field: HeaderField, to header: inout ByteBuffer) {
        header.writeBytes(field.name)
        header.writeInteger(UInt8(ascii: ":"))
        // The milter protocol has folded lines parted by a bare LF (facts 4).
        for line in field.value.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            header.writeBytes(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
            header.writeString("\r\n")
        }
    }
}
