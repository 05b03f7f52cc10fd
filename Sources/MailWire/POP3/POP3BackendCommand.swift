public import NIOCore

/// A command to a mailbox server. Made from values only: a client's line is never passed on as it is (facts 19).
public enum POP3BackendCommand: Equatable, Sendable {
    /// Tells a Dovecot that trusts us the client's real address (facts 44).
    case xclient(address: String, port: Int)
    case capa
    /// RFC 6856 §2.
    case utf8
    case user(String)
    case pass(POP3Password)
    /// With the mechanism's message, in base 64, or nil: the server asks for it.
    case auth(SASLMechanism, initialResponse: POP3Password?)
    case uidl
    case list
    case retr(Int)
    case top(Int, lines: Int)
    case dele(Int)
    case noop
    case quit

    public var shape: POP3ResponseShape {
        switch self {
        case .xclient, .utf8, .user, .pass, .dele, .noop, .quit: .status
        case .auth: .exchange
        case .capa, .uidl, .list: .lines
        case .retr, .top: .body
        }
    }

    /// Writes the command with its CRLF.
    public func write(to buffer: inout ByteBuffer) {
        switch self {
        case .xclient(let address, let port): buffer.writeString("XCLIENT ADDR=\(address) PORT=\(port)")
        case .capa: buffer.writeString("CAPA")
        case .utf8: buffer.writeString("UTF8")
        case .auth(let mechanism, let response):
            buffer.writeString("AUTH \(mechanism.rawValue)")
            if let response {
                buffer.writeString(" ")
                buffer.writeBytes(response.octets)
            }
        case .user(let name): buffer.writeString("USER \(name)")
        case .pass(let password):
            buffer.writeString("PASS ")
            buffer.writeBytes(password.octets)
        case .uidl: buffer.writeString("UIDL")
        case .list: buffer.writeString("LIST")
        case .retr(let number): buffer.writeString("RETR \(number)")
        case .top(let number, let lines): buffer.writeString("TOP \(number) \(lines)")
        case .dele(let number): buffer.writeString("DELE \(number)")
        case .noop: buffer.writeString("NOOP")
        case .quit: buffer.writeString("QUIT")
        }
        buffer.writeString("\r\n")
    }
}
