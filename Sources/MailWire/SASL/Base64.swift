/// Base 64 as SASL uses it: the alphabet of RFC 4648 §4, padded, nothing else in between.
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")

    private static let values: [UInt8?] = {
        var values = [UInt8?](repeating: nil, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    public static func encode(_ octets: some Sequence<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for octet in octets {
            bits = bits << 8 | UInt32(octet)
            count += 8
            while count >= 6 {
                count -= 6
                text.append(alphabet[Int(bits >> UInt32(count) & 0x3f)])
            }
        }
        if count > 0 { text.append(alphabet[Int(bits << UInt32(6 - count) & 0x3f)]) }
        while text.count % 4 != 0 { text.append(padding) }
        return text
    }

    /// Nil for anything that `encode` would not have written: characters of no alphabet, missing or misplaced padding
    /// (RFC 4648 §3.1 to §3.3), bits left over that are not zero (§3.5).
    public static func decode(_ text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        let digits = text.dropLast(text.suffix(2).reversed().prefix { $0 == padding }.count)
        var octets: [UInt8] = []
        octets.reserveCapacity(digits.count * 3 / 4)
        var bits: UInt32 = 0
        var count = 0
        for character in digits {
            guard let value = values[Int(character)] else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            octets.append(UInt8(bits >> UInt32(count) & 0xff))
        }
        guard bits & (1 << UInt32(count) - 1) == 0 else { return nil }
        return octets
    }
}
