/// The cluster key's file: one line, base64 or hexadecimal, of 32 random octets or more. Empty lines and lines that
/// begin with `#` are comments.
public enum KeyFile {
    /// More than any key needs; stops at a file named by mistake.
    static let limit = 64 * 1024

    /// The text of a new key file.
    public static func text(for key: ClusterKey) -> String {
        """
        # Key of this Covey cluster. Every hub and proxy needs the same file; whoever has it can forge message ids.
        \(base64(key.octets))

        """
    }

    /// What is in a key file.
    static func parse(_ octets: [UInt8]) throws(Complaint) -> ClusterKey {
        let make = "make one with: covey keygen FILE"
        let text = String(decoding: octets, as: UTF8.self)
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingBlanks() }
            .filter { !$0.isEmpty && !$0.hasPrefix("#") }
        guard let line = lines.first else { throw Complaint("holds no key", remedy: make) }
        guard lines.count == 1 else {
            throw Complaint(
                "holds \(lines.count) lines that are no comments", remedy: "it must hold one key in one line")
        }
        guard let octets = hexadecimal(line) ?? base64(line) else {
            throw Complaint("is neither hexadecimal nor base64", remedy: make)
        }
        guard octets.count >= ClusterKey.minimumLength else {
            throw Complaint(
                "holds a key of \(octets.count) octets, which is less than \(ClusterKey.minimumLength)", remedy: make)
        }
        return ClusterKey(octets: octets)
    }

    private static func hexadecimal(_ text: Substring) -> [UInt8]? {
        let digits = text.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count.isMultiple(of: 2) else { return nil }
        var octets: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[index], let low = digits[index + 1] else { return nil }
            octets.append(UInt8(high << 4 | low))
        }
        return octets
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// RFC 4648 §4, with or without padding.
    private static func base64(_ text: Substring) -> [UInt8]? {
        var digits = Array(text.utf8)
        let padding = digits.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        digits.removeLast(padding)
        guard padding <= 2, digits.count % 4 != 1, padding == 0 || (digits.count + padding).isMultiple(of: 4) else {
            return nil
        }
        var octets: [UInt8] = []
        var bits = 0
        var held = 0
        for digit in digits {
            guard let value = alphabet.firstIndex(of: digit) else { return nil }
            held = (held << 6 | value) & 0xFFFF
            bits += 6
            if bits >= 8 {
                bits -= 8
                octets.append(UInt8(truncatingIfNeeded: held >> bits))
            }
        }
        return octets
    }

    private static func base64(_ octets: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: octets.count, by: 3) {
            let group = octets[start..<min(start + 3, octets.count)]
            let number = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for index in 0..<4 {
                text.append(
                    index <= group.count ? alphabet[number >> (18 - 6 * index) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension Substring {
    /// Without spaces and tabs at both ends.
    func trimmingBlanks() -> Substring {
        let start = drop { $0 == " " || $0 == "\t" }
        return start.lastIndex { $0 != " " && $0 != "\t" }.map { start[...$0] } ?? ""
    }
}
