/// One header field as it came over the milter protocol: octets, since nothing promises that they are UTF-8.
public struct HeaderField: Sendable, Equatable {
    /// What stands before the colon, as it was typed.
    public var name: [UInt8]
    /// What stands behind the colon: leading space included, folded lines parted by LF or CRLF, no final line end.
    public var value: [UInt8]

    public init(name: [UInt8], value: [UInt8]) {
        self.name = name
        self.value = value
    }

    public init(_ name: String, _ value: String) {
        self.init(name: Array(name.utf8), value: Array(value.utf8))
    }

    /// The name as fields are compared: lower-case, without the white space that the obsolete syntax allows before the
    /// colon (RFC 5322 §4.5.8: a reader takes `X-UIDL :` for `X-UIDL:`, and so must we).
    public var comparableName: [UInt8] {
        var end = name.endIndex
        while end > 0, name[end - 1].isHeaderWhiteSpace { end -= 1 }
        return name[..<end].map { $0.asciiLowercased }
    }

    /// Whether this is the field `name` (given in lower case).
    public func isNamed(_ name: StaticString) -> Bool {
        name.withUTF8Buffer { comparableName.elementsEqual($0) }
    }
}

extension UInt8 {
    var asciiLowercased: UInt8 { self >= UInt8(ascii: "A") && self <= UInt8(ascii: "Z") ? self | 0x20 : self }

    /// Space, tab, and the line ends of a folded value.
    var isHeaderWhiteSpace: Bool {
        self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") || self == UInt8(ascii: "\r")
            || self == UInt8(ascii: "\n")
    }
}
