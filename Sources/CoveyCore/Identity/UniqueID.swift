/// The id of a message: the same on every mailbox server, and the POP3 unique-id that the proxy shows (design §3).
///
/// As text, three characters of kind (`cv1` or `cv0`) and 26 of lower-case base32: 29 characters, which is valid as a
/// unique-id (RFC 1939 §7: 1 to 70 characters in the range 0x21 to 0x7E). Kept as 128 bits, because a maildrop has
/// many of them.
public struct UniqueID: Sendable, Hashable, CustomStringConvertible {
    public enum Kind: UInt8, Sendable {
        /// `cv0`: made up for a message that carries no stamp.
        case unstamped = 0
        /// `cv1`: the HMAC of the content, carried by the message in its X-UIDL field.
        case stamped = 1
    }

    /// An id without its kind: where there are a million of them, the kind is kept elsewhere.
    struct Words: Sendable, Equatable {
        var high: UInt64
        var low: UInt64
    }

    /// Characters of an id's text.
    static let length = 29

    public let kind: Kind
    private let high: UInt64
    private let low: UInt64

    var words: Words { Words(high: high, low: low) }

    init(words: Words, kind: Kind) {
        self.kind = kind
        (high, low) = (words.high, words.low)
    }

    /// The first 128 bits of a digest.
    ///
    /// - Parameter digest: 16 octets or more.
    public init(kind: Kind, digest: some Sequence<UInt8>) {
        let octets = Array(digest.prefix(16))
        precondition(octets.count == 16, "a digest of fewer than 128 bits is no id")
        self.init(words: octets.withUnsafeBytes { Words(digest: $0) }, kind: kind)
    }

    /// Reads a stamp of ours: `^cv1[a-z2-7]{26}$`, nothing before, nothing behind; nil for anything else.
    ///
    /// Of the last character only the eight that the base32 of 128 bits can end with are taken: with others two texts
    /// would be one id, and no hub of ours ever wrote them.
    public init?(stamp: some StringProtocol) {
        self.init(text: stamp, kind: .stamped)
    }

    /// Reads an id of either kind; nil for anything else.
    public init?(_ text: some StringProtocol) {
        if let id = UniqueID(text: text, kind: .stamped) {
            self = id
        } else if let id = UniqueID(text: text, kind: .unstamped) {
            self = id
        } else {
            return nil
        }
    }

    /// Reads an id of either kind from its text's octets.
    init?(octets: some Collection<UInt8>) {
        if let id = UniqueID(octets: octets, kind: .stamped) {
            self = id
        } else if let id = UniqueID(octets: octets, kind: .unstamped) {
            self = id
        } else {
            return nil
        }
    }

    private init?(text: some StringProtocol, kind: Kind) {
        self.init(octets: text.utf8, kind: kind)
    }

    private init?(octets: some Collection<UInt8>, kind: Kind) {
        guard octets.count == UniqueID.length, octets.starts(with: kind.prefix.utf8) else { return nil }
        guard let bits = Base32.decode128(octets.dropFirst(3)) else { return nil }
        self.kind = kind
        (high, low) = bits
    }

    public var description: String { kind.prefix + Base32.encode128(high: high, low: low) }
}

extension UniqueID.Words {
    /// The first 128 bits of a digest of 16 octets or more.
    init(digest: UnsafeRawBufferPointer) {
        high = UInt64(bigEndian: digest.loadUnaligned(as: UInt64.self))
        low = UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
}

extension UniqueID.Kind {
    var prefix: String {
        switch self {
        case .unstamped: "cv0"
        case .stamped: "cv1"
        }
    }
}
