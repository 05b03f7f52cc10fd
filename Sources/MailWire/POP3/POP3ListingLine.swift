public import NIOCore

/// One line of a LIST response: `7 1205` (RFC 1939 §5).
public struct POP3SizeLine: Equatable, Sendable {
    public let number: Int
    public let octets: Int

    /// Nil if the line is not of that form. Words after the size are allowed (RFC 1939 §11).
    public init?(_ line: ByteBuffer) {
        let values: (Int, Int)? = line.withUnsafeReadableBytes { octets in
            var words = Words(octets)
            guard let number = words.next().flatMap(decimal), number > 0, let size = words.next().flatMap(decimal)
            else { return nil }
            return (number, size)
        }
        guard let values else { return nil }
        (number, octets) = values
    }
}

/// One line of a UIDL response: `7 cv1…` (RFC 1939 §7).
public struct POP3UniqueIDLine: Equatable, Sendable {
    public let number: Int
    public let uniqueID: String

    /// Nil if the line is not of that form: unique-ids are octets 0x21 to 0x7E.
    public init?(_ line: ByteBuffer) {
        let values: (Int, String)? = line.withUnsafeReadableBytes { octets in
            var words = Words(octets)
            guard let number = words.next().flatMap(decimal), number > 0, let uniqueID = words.next(),
                words.next() == nil, uniqueID.count <= POP3Limits.uniqueID,
                uniqueID.allSatisfy({ (0x21...0x7e).contains($0) })
            else { return nil }
            return (number, String(decoding: uniqueID, as: UTF8.self))
        }
        guard let values else { return nil }
        (number, uniqueID) = values
    }
}

/// What spaces separate. Nothing is allocated: a maildrop of 100,000 messages has four such lines for each.
private struct Words {
    private let octets: UnsafeRawBufferPointer
    private var position = 0

    init(_ octets: UnsafeRawBufferPointer) {
        self.octets = octets
    }

    mutating func next() -> UnsafeRawBufferPointer? {
        while position < octets.count, octets[position] == UInt8(ascii: " ") { position += 1 }
        let start = position
        while position < octets.count, octets[position] != UInt8(ascii: " ") { position += 1 }
        return start == position ? nil : UnsafeRawBufferPointer(rebasing: octets[start..<position])
    }
}

private func decimal(_ octets: UnsafeRawBufferPointer) -> Int? {
    // 18 digits fit an Int whatever they are.
    guard !octets.isEmpty, octets.count <= 18 else { return nil }
    var value = 0
    for octet in octets {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) else { return nil }
        value = value * 10 + Int(octet - UInt8(ascii: "0"))
    }
    return value
}
