/// The server's side of a SASL exchange with a mail program (RFC 4422, over POP3: RFC 5034).
///
/// Pure: one decoded message of the client goes in, an `Outcome` comes out. What the credentials are worth is for the
/// mailbox servers to say.
public struct SASLExchange: Sendable {
    public enum Outcome: Equatable, Sendable {
        /// Send this, in base 64, and take the client's next message.
        case challenge([UInt8])
        /// All was said.
        case credentials(POP3Credentials)
        /// The message is not what the mechanism asks for. The exchange is over.
        case malformed
    }

    private enum State: Sendable {
        case message
        case loginPassword(user: String)
    }

    public let mechanism: SASLMechanism
    private var state = State.message

    public init(_ mechanism: SASLMechanism) {
        self.mechanism = mechanism
    }

    /// What the client is asked where it did not send its first message along with the mechanism.
    public var firstChallenge: [UInt8] {
        // The others let the client speak first: an empty challenge (RFC 5034 §4).
        mechanism == .login ? Array("Username:".utf8) : []
    }

    /// Takes the client's next message, decoded.
    public mutating func receive(_ message: [UInt8]) -> Outcome {
        switch (mechanism, state) {
        case (.login, .message):
            guard let user = SASLName.user(message) else { return .malformed }
            state = .loginPassword(user: user)
            return .challenge(Array("Password:".utf8))
        case (_, .loginPassword(let user)): return SASLExchange.password(message[...], of: user)
        case (.plain, .message): return SASLExchange.plain(message)
        case (.oauthBearer, .message): return SASLExchange.oauthBearer(message)
        case (.xoauth2, .message): return SASLExchange.xoauth2(message)
        }
    }

    private static func password(_ octets: ArraySlice<UInt8>, of user: String) -> Outcome {
        // RFC 4616 §2 and RFC 4013 §2.3. What passes here fits a PASS command too.
        guard !octets.isEmpty, SASLName.isPrintable(octets) else { return .malformed }
        return .credentials(.password(user: user, POP3Password(octets: Array(octets))))
    }

    /// `[authorization identity] NUL name NUL password` (RFC 4616 §2).
    private static func plain(_ message: [UInt8]) -> Outcome {
        let parts = message.split(separator: 0, omittingEmptySubsequences: false)
        guard parts.count == 3, let user = SASLName.user(parts[1]) else { return .malformed }
        // Nobody opens another's maildrop here; some programs say their own name twice.
        guard parts[0].isEmpty || parts[0].elementsEqual(parts[1]) else { return .malformed }
        return password(parts[2], of: user)
    }

    /// `n,a=name,` then pairs, each after a control-A, and two of these at the end (RFC 7628 §3.1). Without a name the
    /// token alone would say whose maildrop it is, and the proxy cannot read it.
    private static func oauthBearer(_ message: [UInt8]) -> Outcome {
        let fields = message.split(separator: UInt8(ascii: ","), maxSplits: 2, omittingEmptySubsequences: false)
        // "p=": channel binding, which would be to the proxy's TLS and not to the servers' (RFC 5801 §5).
        guard fields.count == 3,
            fields[0].elementsEqual([UInt8(ascii: "n")]) || fields[0].elementsEqual([UInt8(ascii: "y")]),
            fields[1].starts(with: Array("a=".utf8)), let name = SASLName.unescaped(fields[1].dropFirst(2)),
            let user = SASLName.user(name), areTokenPairs(fields[2])
        else { return .malformed }
        return .credentials(.token(.oauthBearer, user: user, rest: POP3Password(octets: Array(fields[2]))))
    }

    /// `user=name`, then the same pairs.
    private static func xoauth2(_ message: [UInt8]) -> Outcome {
        let end = message.firstIndex(of: 1) ?? message.endIndex
        guard message.starts(with: Array("user=".utf8)), let user = SASLName.user(message[..<end].dropFirst(5)),
            areTokenPairs(message[end...])
        else { return .malformed }
        return .credentials(.token(.xoauth2, user: user, rest: POP3Password(octets: Array(message[end...]))))
    }

    /// Control-A, then `key=value` control-A once and again, `auth` among them, then a last control-A.
    private static func areTokenPairs(_ octets: ArraySlice<UInt8>) -> Bool {
        let pairs = octets.split(separator: 1, omittingEmptySubsequences: false)
        guard pairs.count >= 4, pairs[pairs.startIndex].isEmpty, pairs.suffix(2).allSatisfy(\.isEmpty) else {
            return false
        }
        let middle = pairs.dropFirst().dropLast(2)
        return middle.allSatisfy { $0.contains(UInt8(ascii: "=")) && !$0.contains(0) }
            && middle.contains { $0.starts(with: Array("auth=".utf8)) }
    }
}
