/// One reply of an SMTP or LMTP server (RFC 5321 §4.2).
public struct SMTPReply: Sendable, Equatable, CustomStringConvertible {
    /// 200 to 599.
    public var code: Int
    /// The texts of its lines, without code, separator and line end; at least one, which may be empty.
    public var lines: [String]

    public init(code: Int, lines: [String]) {
        self.code = code
        self.lines = lines
    }

    public var isPositive: Bool { (200..<300).contains(code) }
    public var isPermanentFailure: Bool { (500..<600).contains(code) }

    /// The enhanced status code that begins the text, if there is one that belongs to the reply code (RFC 2034 §4).
    public var enhancedStatus: EnhancedStatus? {
        lines.first.flatMap { SMTPReply.split($0, code: code).status }
    }

    /// The text without the enhanced status code, which every line repeats (RFC 2034 §4); its lines joined by one space.
    public var text: String {
        lines.map { SMTPReply.split($0, code: code).rest }.joined(separator: " ")
    }

    private static func split(_ line: String, code: Int) -> (status: EnhancedStatus?, rest: String) {
        let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        guard let status = EnhancedStatus(words[0]), status.statusClass == code / 100 else { return (nil, line) }
        return (status, words.count > 1 ? String(words[1]) : "")
    }

    public var description: String { "\(code) \(lines.joined(separator: " "))" }
}

/// An enhanced status code `class.subject.detail` (RFC 3463 §2).
public struct EnhancedStatus: Sendable, Equatable, CustomStringConvertible {
    /// 2, 4 or 5.
    public var statusClass: Int
    /// 0 to 999.
    public var subject: Int
    /// 0 to 999.
    public var detail: Int

    public init(_ statusClass: Int, _ subject: Int, _ detail: Int) {
        self.statusClass = statusClass
        self.subject = subject
        self.detail = detail
    }

    /// Reads `5.1.1`; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        var numbers: [Int] = []
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int(part)
            else { return nil }
            numbers.append(number)
        }
        guard [2, 4, 5].contains(numbers[0]) else { return nil }
        self.init(numbers[0], numbers[1], numbers[2])
    }

    public var description: String { "\(statusClass).\(subject).\(detail)" }

    /// "Bad destination mailbox address" (RFC 3463 §3.2): the server does not know this user.
    public static let unknownUser = EnhancedStatus(5, 1, 1)
}
