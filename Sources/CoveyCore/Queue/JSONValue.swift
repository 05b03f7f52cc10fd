/// A JSON text (RFC 8259) as a value; read strictly, and no more than what `postqueue -j` prints: numbers are whole.
enum JSONValue: Equatable {
    case object([String: JSONValue])
    case array([JSONValue])
    case string(String)
    case number(Int)
    case bool(Bool)
    case null

    /// - Parameter text: one value, white space around it allowed. Nil when it is anything else.
    init?(_ text: some Sequence<UInt8>) {
        var reader = JSONReader(Array(text))
        guard let value = try? reader.document() else { return nil }
        self = value
    }

    var string: String? { if case .string(let string) = self { string } else { nil } }
    var number: Int? { if case .number(let number) = self { number } else { nil } }
    var array: [JSONValue]? { if case .array(let array) = self { array } else { nil } }
    subscript(name: String) -> JSONValue? { if case .object(let members) = self { members[name] } else { nil } }
}

private struct JSONReader {
    struct Malformed: Error {}

    /// Deeper than any line of postqueue and any status: keeps a hostile text from using up the stack.
    private static let deepest = 8

    private let octets: [UInt8]
    private var place = 0

    init(_ octets: [UInt8]) {
        self.octets = octets
    }

    mutating func document() throws(Malformed) -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        guard place == octets.count else { throw Malformed() }
        return value
    }

    private mutating func value(depth: Int) throws(Malformed) -> JSONValue {
        guard depth < JSONReader.deepest else { throw Malformed() }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return .object(try members(depth: depth))
        case UInt8(ascii: "["): return .array(try elements(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func members(depth: Int) throws(Malformed) -> [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        place += 1
        skipSpace()
        if take("}") { return members }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw Malformed() }
            let name = try string()
            skipSpace()
            // RFC 8259 §4: names should be unique; which of two counts would be a guess.
            guard take(":"), members[name] == nil else { throw Malformed() }
            members[name] = try value(depth: depth + 1)
            skipSpace()
        } while take(",")
        guard take("}") else { throw Malformed() }
        return members
    }

    private mutating func elements(depth: Int) throws(Malformed) -> [JSONValue] {
        var elements: [JSONValue] = []
        place += 1
        skipSpace()
        if take("]") { return elements }
        repeat {
            elements.append(try value(depth: depth + 1))
            skipSpace()
        } while take(",")
        guard take("]") else { throw Malformed() }
        return elements
    }

    private mutating func number() throws(Malformed) -> Int {
        let start = place
        _ = take("-")
        while let digit = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) { place += 1 }
        guard let number = Int(String(decoding: octets[start..<place], as: UTF8.self)) else { throw Malformed() }
        return number
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(Malformed) -> JSONValue {
        guard octets[place...].starts(with: word.utf8) else { throw Malformed() }
        place += word.utf8.count
        return value
    }

    // MARK: strings

    private mutating func string() throws(Malformed) -> String {
        place += 1
        var text: [UInt8] = []
        while let octet = next {
            place += 1
            switch octet {
            // What is not UTF-8 becomes U+FFFD: Postfix passes on what a server wrote.
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text += try escaped()
            // RFC 8259 §7: control characters must be escaped.
            case 0..<0x20: throw Malformed()
            default: text.append(octet)
            }
        }
        throw Malformed()
    }

    /// What stands behind a backslash, as UTF-8.
    private mutating func escaped() throws(Malformed) -> [UInt8] {
        guard let letter = next else { throw Malformed() }
        place += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [letter]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): break
        default: throw Malformed()
        }
        var units = [try fourDigits()]
        if (0xD800...0xDBFF).contains(units[0]) {
            // RFC 8259 §7: the second half of a surrogate pair follows.
            guard take("\\"), take("u") else { throw Malformed() }
            units.append(try fourDigits())
        }
        guard let text = String(validating: units, as: UTF16.self) else { throw Malformed() }
        return Array(text.utf8)
    }

    private mutating func fourDigits() throws(Malformed) -> UInt16 {
        let digits = octets[place...].prefix(4)
        guard digits.count == 4, digits.first != UInt8(ascii: "+"), digits.first != UInt8(ascii: "-"),
            let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw Malformed() }
        place += 4
        return unit
    }

    // MARK: octets

    private var next: UInt8? { place < octets.count ? octets[place] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard let octet = next, UInt32(octet) == character.value else { return false }
        place += 1
        return true
    }

    private mutating func skipSpace() {
        while let octet = next, octet == 0x20 || octet == 0x09 || octet == 0x0A || octet == 0x0D { place += 1 }
    }
}
