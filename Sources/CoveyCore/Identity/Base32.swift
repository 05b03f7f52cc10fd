/// 128 bits as 26 characters of base32 (RFC 4648 §6), lower-case and without padding: 25 characters of five bits and a
/// last one whose lower two bits are zero.
enum Base32 {
    static let length = 26
    private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

    static func encode128(high: UInt64, low: UInt64) -> String {
        String(unsafeUninitializedCapacity: length) { text in
            // 130 bits: the 128 and two zeros behind them, taken five at a time from the top.
            for index in 0..<length {
                text[index] = alphabet[Int(bits(high, low, from: 125 - 5 * index))]
            }
            return length
        }
    }

    /// The five bits of `(high, low, 00)` whose lowest is at `position`, counted from the right end of the padded number.
    private static func bits(_ high: UInt64, _ low: UInt64, from position: Int) -> UInt64 {
        let shift = position - 2  // position in the unpadded 128 bits
        if shift < 0 { return (low << UInt64(-shift)) & 31 }
        if shift >= 64 { return (high >> UInt64(shift - 64)) & 31 }
        let lower = low >> UInt64(shift)
        let upper = shift > 59 ? high << UInt64(64 - shift) : 0
        return (lower | upper) & 31
    }

    /// Reads what `encode128` writes; nil for another alphabet, upper case, or padding bits that are not zero (each
    /// value has exactly one text).
    static func decode128(_ text: some Collection<UInt8>) -> (UInt64, UInt64)? {
        guard text.count == length else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (index, character) in text.enumerated() {
            let value: UInt64
            switch character {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = UInt64(character - UInt8(ascii: "a"))
            case UInt8(ascii: "2")...UInt8(ascii: "7"): value = UInt64(character - UInt8(ascii: "2")) + 26
            default: return nil
            }
            if index < length - 1 {
                high = high << 5 | low >> 59
                low = low << 5 | value
            } else {
                guard value & 3 == 0 else { return nil }
                high = high << 3 | low >> 61
                low = low << 3 | value >> 2
            }
        }
        return (high, low)
    }
}
