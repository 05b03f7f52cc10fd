public import NIOCore

extension POP3Command {
    /// Longest keyword looked at, octets; RFC 1939 §3 knows three or four letters.
    private static let longestKeyword = 12

    /// Parses one command line (without line end).
    ///
    /// Keywords in any case; spaces around arguments are forgiven, as Dovecot forgives them. Nothing of the line comes
    /// back in an error: it may hold anything.
    public static func parse(_ line: ByteBuffer) throws(POP3CommandError) -> POP3Command {
        let octets = line.readableBytesView
        guard !octets.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f }) else { throw .notText }
        let keywordEnd = octets.firstIndex(of: UInt8(ascii: " ")) ?? octets.endIndex
        let keywordOctets = octets[..<keywordEnd]
        guard keywordOctets.count <= longestKeyword else { throw .unknownCommand }
        let keyword = String(decoding: keywordOctets, as: UTF8.self).uppercased()
        var arguments = POP3Arguments(octets[keywordEnd...])
        switch keyword {
        case "": throw octets.isEmpty ? .empty : .unknownCommand
        case "CAPA": return try arguments.none(.capa, keyword)
        case "STLS": return try arguments.none(.stls, keyword)
        case "STAT": return try arguments.none(.stat, keyword)
        case "NOOP": return try arguments.none(.noop, keyword)
        case "RSET": return try arguments.none(.rset, keyword)
        case "QUIT": return try arguments.none(.quit, keyword)
        case "LIST": return .list(try arguments.optionalMessageNumber())
        case "UIDL": return .uidl(try arguments.optionalMessageNumber())
        case "RETR": return .retr(try arguments.onlyMessageNumber(keyword))
        case "DELE": return .dele(try arguments.onlyMessageNumber(keyword))
        case "TOP":
            let number = try arguments.messageNumber(keyword, wanted: "a message number and a line count")
            return .top(number, lines: try arguments.lineCount())
        case "USER":
            let name = arguments.trimmed
            guard !name.isEmpty else { throw .missingArgument(of: keyword, wanted: "a user name") }
            guard let text = String(validating: name, as: UTF8.self) else { throw .notText }
            return .user(text)
        case "PASS":
            // RFC 1939 §7: the password is all that follows the one space, spaces included.
            let password = octets[keywordEnd...].dropFirst()
            guard !password.isEmpty else { throw .missingArgument(of: keyword, wanted: "a password") }
            return .pass(POP3Password(octets: Array(password)))
        case "AUTH":
            let words = arguments.trimmed.split(separator: UInt8(ascii: " "))
            guard let mechanism = words.first else { return .auth(mechanism: nil) }
            guard words.count <= 2 else { throw .unwantedArgument(of: "AUTH with an initial response") }
            return .auth(
                mechanism: String(decoding: mechanism, as: UTF8.self).uppercased(),
                initialResponse: words.count == 2 ? POP3Password(octets: Array(words[1])) : nil)
        case "UTF8": return try arguments.none(.utf8, keyword)
        case "LANG":
            let words = arguments.trimmed.split(separator: UInt8(ascii: " "))
            guard words.count <= 1 else { throw .unwantedArgument(of: "LANG with a language") }
            return .lang(words.first.map { String(decoding: $0, as: UTF8.self).lowercased() })
        default: throw .unknownCommand
        }
    }
}

/// Reads numbers off the argument part of a command line.
private struct POP3Arguments {
    private var rest: ByteBufferView.SubSequence

    init(_ octets: ByteBufferView.SubSequence) {
        rest = octets
        skipSpaces()
    }

    /// What is left, without spaces at the end.
    var trimmed: ByteBufferView.SubSequence {
        var end = rest.endIndex
        while end > rest.startIndex, rest[end - 1] == UInt8(ascii: " ") { end -= 1 }
        return rest[rest.startIndex..<end]
    }

    mutating func none(_ command: POP3Command, _ keyword: String) throws(POP3CommandError) -> POP3Command {
        guard rest.isEmpty else { throw .unwantedArgument(of: keyword) }
        return command
    }

    mutating func optionalMessageNumber() throws(POP3CommandError) -> Int? {
        guard !rest.isEmpty else { return nil }
        return try onlyMessageNumber("")
    }

    mutating func onlyMessageNumber(_ keyword: String) throws(POP3CommandError) -> Int {
        let number = try messageNumber(keyword, wanted: "a message number")
        guard rest.isEmpty else { throw .noiseAfterMessageNumber }
        return number
    }

    mutating func messageNumber(_ keyword: String, wanted: String) throws(POP3CommandError) -> Int {
        guard !rest.isEmpty else { throw .missingArgument(of: keyword, wanted: wanted) }
        switch number() {
        case .value(let number): return number
        case .none: throw .invalidMessageNumber
        case .overflow: throw .messageNumberTooLarge
        case .noise: throw .noiseAfterMessageNumber
        }
    }

    mutating func lineCount() throws(POP3CommandError) -> Int {
        guard !rest.isEmpty else { throw .missingArgument(of: "TOP", wanted: "a message number and a line count") }
        switch number() {
        case .value(let count):
            guard rest.isEmpty else { throw .noiseAfterLineCount }
            return count
        case .none: throw .invalidLineCount
        case .overflow: throw .lineCountTooLarge
        case .noise: throw .noiseAfterLineCount
        }
    }

    private enum Number {
        case value(Int)
        case none, overflow, noise
    }

    /// Digits, then a space or the end.
    private mutating func number() -> Number {
        let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !digits.isEmpty else { return .none }
        var value = 0
        for digit in digits {
            let (product, productOverflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, sumOverflow) = product.addingReportingOverflow(Int(digit - UInt8(ascii: "0")))
            guard !productOverflow, !sumOverflow else { return .overflow }
            value = sum
        }
        rest = rest[digits.endIndex...]
        guard rest.isEmpty || rest.first == UInt8(ascii: " ") else { return .noise }
        skipSpaces()
        return .value(value)
    }

    private mutating func skipSpaces() {
        rest = rest.drop { $0 == UInt8(ascii: " ") }
    }
}
