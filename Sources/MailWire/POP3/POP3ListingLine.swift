public import NIOCore

/// One line of a LIST response: `7 1205` (RFC 1939 §5).
public struct POP3SizeLine: Equatable, Sendable {
    public let number: Int
    public let octets: Int

    /// Nil if the line is not of that form. Words after the size are allowed (RFC 1939 §11).
    public init?(_ line: ByteBuffer) {
        let words = line.readableBytesView.split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard words.count >= 2, let number = decimal(words[0]), number > 0, let octets = decimal(words[1]) else {
            return nil
        }
        self.number = number
        self.octets = octets
    }
}

/// One line of a UIDL response: `7 cv1…` (RFC 1939 §7).
public struct POP3UniqueIDLine: Equatable, Sendable {
    public let number: Int
    public let uniqueID: String

    /// Nil if the line is not of that form: unique-ids are octets 0x21 to 0x7E.
    public init?(_ line: ByteBuffer) {
        let words = line.readableBytesView.split(separator: UInt8(ascii: " "))
        guard words.count == 2, let number = decimal(words[0]), number > 0,
            words[1].count <= POP3Limits.uniqueID, words[1].allSatisfy({ (0x21...0x7e).contains($0) })
        else { return nil }
        self.number = number
        self.uniqueID = String(decoding: words[1], as: UTF8.self)
    }
}

private func decimal(_ octets: some Collection<UInt8>) -> Int? {
    // 18 digits fit an Int whatever they are.
    guard !octets.isEmpty, octets.count <= 18 else { return nil }
    var value = 0
    for octet in octets {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) else { return nil }
        value = value * 10 + Int(octet - UInt8(ascii: "0"))
    }
    return value
}
