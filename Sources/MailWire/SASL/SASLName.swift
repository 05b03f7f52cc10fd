/// Names within SASL messages.
enum SASLName {
    /// RFC 5801 §4, saslname: `,` and `=` would end the name.
    static func escaped(_ name: String) -> String {
        String(
            name.unicodeScalars.reduce(into: "") { text, scalar in
                switch scalar {
                case ",": text += "=2C"
                case "=": text += "=3D"
                default: text.unicodeScalars.append(scalar)
                }
            })
    }

    /// Nil where a `=` begins neither `=2C` nor `=3D`.
    static func unescaped(_ octets: some Collection<UInt8>) -> [UInt8]? {
        var name: [UInt8] = []
        var rest = Array(octets)[...]
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "=") else {
                name.append(octet)
                continue
            }
            switch String(decoding: rest.prefix(2), as: UTF8.self) {
            case "2C": name.append(UInt8(ascii: ","))
            case "3D": name.append(UInt8(ascii: "="))
            default: return nil
            }
            rest = rest.dropFirst(2)
        }
        return name
    }

    /// A user's name that can be passed on in any command: not empty, UTF-8, without control characters, which RFC 4013
    /// §2.3 forbids in names and passwords alike.
    static func user(_ octets: some Collection<UInt8>) -> String? {
        guard !octets.isEmpty, isPrintable(octets) else { return nil }
        return String(validating: octets, as: UTF8.self)
    }

    static func isPrintable(_ octets: some Collection<UInt8>) -> Bool {
        !octets.contains { $0 < 0x20 || $0 == 0x7f }
    }
}
