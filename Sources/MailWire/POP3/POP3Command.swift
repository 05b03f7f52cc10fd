/// A client's command, with its arguments checked for form (RFC 1939, RFC 2449).
public enum POP3Command: Equatable, Sendable {
    case capa
    /// Begin TLS (RFC 2595 §4).
    case stls
    case user(String)
    case pass(POP3Password)
    /// A bare AUTH asks for the list of mechanisms (facts 22). The initial response is as it came, in base 64.
    case auth(mechanism: String?, initialResponse: POP3Password? = nil)
    /// RFC 6856 §2.
    case utf8
    /// A language tag or `*`, or nil for the list (RFC 6856 §3).
    case lang(String?)
    case stat
    /// Message number, or nil for all.
    case list(Int?)
    /// Message number, or nil for all.
    case uidl(Int?)
    case retr(Int)
    case top(Int, lines: Int)
    case dele(Int)
    case noop
    case rset
    case quit
}

/// A password as the octets that the client sent: it is passed on, never looked at, never printed.
public struct POP3Password: Equatable, Sendable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    public let octets: [UInt8]

    public init(octets: [UInt8]) {
        self.octets = octets
    }

    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// What is wrong with a command line. `description` is what the client is told after `-ERR`.
public enum POP3CommandError: Error, Equatable, Sendable, CustomStringConvertible {
    case lineTooLong
    case notText
    case empty
    case unknownCommand
    case missingArgument(of: String, wanted: String)
    case unwantedArgument(of: String)
    case invalidMessageNumber
    case messageNumberTooLarge
    case noiseAfterMessageNumber
    case invalidLineCount
    case lineCountTooLarge
    case noiseAfterLineCount

    public var description: String {
        switch self {
        case .lineTooLong: "Command line too long."
        case .notText: "Command line has control characters or broken text in it."
        case .empty: "Empty command line."
        case .unknownCommand: "Unknown command."
        case .missingArgument(let command, let wanted): "\(command) needs an argument: \(wanted)."
        case .unwantedArgument(let command): "\(command) takes no argument."
        case .invalidMessageNumber: "Invalid message number."
        case .messageNumberTooLarge: "Message number too large."
        case .noiseAfterMessageNumber: "Noise after message number."
        case .invalidLineCount: "Invalid line count."
        case .lineCountTooLarge: "Line count too large."
        case .noiseAfterLineCount: "Noise after line count."
        }
    }
}
