import Crypto

/// Computes a message's id from its canonical content, piece by piece (design §3).
///
/// Canonical content is, for each header field of the positive list in order of appearance: the name in lower case, a
/// colon, the value with every run of white space (line ends of folding included) made one space and none left at
/// either end, a line feed. Then one line feed, then the octets of the body. The id is `cv1` and the base32 of the
/// first 128 bits of HMAC-SHA-256 (RFC 2104) over it under the cluster key. Tests/CoveyCoreTests/Identity holds
/// vectors computed by another program.
///
/// A positive list, because filters on a hub add fields that differ from one try to the next; a sender that lost our
/// 250 and tries again, at whatever hub, must get the same id.
public struct ContentHasher: Sendable {
    private var mac: HMAC<SHA256>
    /// Whether a field was seen that sets this message apart from others of the same text.
    public private(set) var hasDistinguishingField = false

    public init(key: ClusterKey) {
        mac = HMAC<SHA256>(key: SymmetricKey(data: key.octets))
    }

    /// Takes the next header field; those that are not on the list leave no trace.
    public mutating func add(_ field: HeaderField) {
        let name = field.comparableName
        guard CanonicalFields.contain(name) else { return }
        if CanonicalFields.distinguish(name) { hasDistinguishingField = true }
        var line = [UInt8]()
        line.reserveCapacity(name.count + field.value.count + 2)
        line += name
        line.append(UInt8(ascii: ":"))
        CanonicalFields.appendUnfolded(field.value, to: &line)
        line.append(UInt8(ascii: "\n"))
        mac.update(data: line)
    }

    /// The header is complete; what follows is the body.
    public mutating func endHeader() {
        mac.update(data: [UInt8(ascii: "\n")])
    }

    /// Takes the next octets of the body, as they stand in the message (lines end in CRLF, no dot-stuffing).
    public mutating func addBody(_ octets: UnsafeRawBufferPointer) {
        mac.update(data: octets)
    }

    /// The id of what was taken so far.
    public func finish() -> UniqueID {
        UniqueID(kind: .stamped, digest: mac.finalize())
    }
}

/// Which header fields count for an id, and how their values are written down for it.
enum CanonicalFields {
    private static let names: Set<[UInt8]> = Set(
        ["received", "message-id", "date", "from", "sender", "to", "cc", "subject"].map { Array($0.utf8) })
    private static let prefixes: [[UInt8]] = ["resent-", "list-", "content-"].map { Array($0.utf8) }
    private static let distinguishing: Set<[UInt8]> = Set(["received", "message-id", "date"].map { Array($0.utf8) })

    static func contain(_ name: [UInt8]) -> Bool {
        names.contains(name) || prefixes.contains { name.starts(with: $0) }
    }

    static func distinguish(_ name: [UInt8]) -> Bool {
        distinguishing.contains(name)
    }

    static func appendUnfolded(_ value: [UInt8], to line: inout [UInt8]) {
        let start = line.count
        var gap = false
        for octet in value {
            if octet.isHeaderWhiteSpace {
                gap = true
                continue
            }
            if gap, line.count > start { line.append(UInt8(ascii: " ")) }
            gap = false
            line.append(octet)
        }
    }
}
