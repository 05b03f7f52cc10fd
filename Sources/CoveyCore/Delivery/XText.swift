/// The encoding of addresses in DSN parameters such as ORCPT (RFC 3461 §4).
public enum XText {
    /// Octets that are not printable, `+` and `=` become `+` and two upper-case hexadecimal digits.
    public static func encode(_ text: String) -> String {
        var result = ""
        for octet in text.utf8 {
            if (0x21...0x7E).contains(octet), octet != UInt8(ascii: "+"), octet != UInt8(ascii: "=") {
                result.unicodeScalars.append(Unicode.Scalar(octet))
            } else {
                let hex = String(octet, radix: 16, uppercase: true)
                result += "+" + (hex.count < 2 ? "0" : "") + hex
            }
        }
        return result
    }
}
