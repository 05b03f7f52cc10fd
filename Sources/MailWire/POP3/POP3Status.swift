public import NIOCore

/// The first line of a server's response: `+OK …` or `-ERR …` with its response code (RFC 1939 §3, RFC 2449 §8).
public struct POP3Status: Equatable, Sendable {
    public let isOK: Bool
    /// Response code without brackets, upper case, such as `SYS/TEMP`; nil if there is none.
    public let code: String?
    /// What follows `+OK` or `-ERR` and the code, as printable text: other octets come out as `?`.
    public let text: String

    public init(isOK: Bool, code: String? = nil, text: String = "") {
        self.isOK = isOK
        self.code = code
        self.text = text
    }

    /// Nil if the line is neither `+OK` nor `-ERR`.
    public init?(line: ByteBuffer) {
        let line = String(
            decoding: line.readableBytesView.map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: "?") },
            as: UTF8.self)
        let indicator = line.prefix { $0 != " " }
        switch indicator {
        case "+OK": isOK = true
        case "-ERR": isOK = false
        default: return nil
        }
        let rest = line.dropFirst(indicator.count).drop { $0 == " " }
        if rest.first == "[", let end = rest.firstIndex(of: "]") {
            code = rest[rest.index(after: rest.startIndex)..<end].uppercased()
            text = String(rest[rest.index(after: end)...].drop { $0 == " " })
        } else {
            code = nil
            text = String(rest)
        }
    }

    /// Whether the fault is the server's and passing, not the user's: another try may succeed (RFC 2449 §8.1, RFC 3206).
    public var isTemporary: Bool {
        guard !isOK, let code else { return false }
        return code == "IN-USE" || code == "LOGIN-DELAY" || code.hasPrefix("SYS/")
    }
}
