/// What is said in clear before TLS begins on a connection to a mailbox server: STARTTLS for LMTP and SMTP (RFC 3207),
/// STLS for POP3 (RFC 2595 §4).
///
/// Lines go in, actions come out. Everything learnt before TLS is forgotten (RFC 3207 §4.2) but the greeting, which is
/// not said again: whoever speaks on the encrypted connection gets it from `greeting`, and begins as on a fresh one.
public struct TLSUpgrade: Sendable {
    public enum Dialect: Sendable, Equatable {
        /// - Parameter hello: `LHLO name` or `EHLO name`.
        case smtp(hello: String)
        case pop3
    }

    public enum Action: Equatable, Sendable {
        case wait
        /// Write this and wait for lines.
        case send(String)
        /// Begin the handshake: nothing may have come after the line just taken.
        case startTLS
        /// TLS cannot be had: the connection is of no use.
        case fail(String)
    }

    private enum State { case greeting, hello, command, over }

    /// More than any server says before TLS.
    public static let mostLines = 100

    private let dialect: Dialect
    private var state = State.greeting
    private var offersTLS = false
    private var lines = 0
    /// The lines of the server's greeting, without their ends.
    public private(set) var greeting: [String] = []

    public init(_ dialect: Dialect) {
        self.dialect = dialect
    }

    /// The server's next line, without its end.
    public mutating func received(_ line: String) -> Action {
        lines += 1
        guard lines <= TLSUpgrade.mostLines else { return fail("talks without end before TLS") }
        switch dialect {
        case .pop3: return receivedPOP3(line)
        case .smtp(let hello): return receivedSMTP(line, hello)
        }
    }

    private mutating func receivedPOP3(_ line: String) -> Action {
        switch state {
        case .greeting:
            guard line.hasPrefix("+OK") else { return fail("greeting \"\(line)\"") }
            greeting = [line]
            state = .command
            return .send("STLS\r\n")
        case .command:
            guard line.hasPrefix("+OK") else { return fail("does not do STLS: \"\(line)\"") }
            state = .over
            return .startTLS
        case .hello, .over: return fail("\"\(line)\" unasked")
        }
    }

    private mutating func receivedSMTP(_ line: String, _ hello: String) -> Action {
        let isLast = line.utf8.dropFirst(3).first != UInt8(ascii: "-")
        switch state {
        case .greeting:
            guard line.hasPrefix("220") else { return fail("greeting \"\(line)\"") }
            greeting.append(line)
            guard isLast else { return .wait }
            state = .hello
            return .send(hello + "\r\n")
        case .hello:
            guard line.hasPrefix("250") else { return fail("answered our hello with \"\(line)\"") }
            if line.dropFirst(4).uppercased() == "STARTTLS" { offersTLS = true }
            guard isLast else { return .wait }
            guard offersTLS else { return fail("does not offer STARTTLS") }
            state = .command
            return .send("STARTTLS\r\n")
        case .command:
            // RFC 3207 §4: exactly 220.
            guard line.hasPrefix("220") else { return fail("does not do STARTTLS: \"\(line)\"") }
            guard isLast else { return .wait }
            state = .over
            return .startTLS
        case .over: return fail("\"\(line)\" unasked")
        }
    }

    private mutating func fail(_ reason: String) -> Action {
        state = .over
        return .fail(reason)
    }
}
