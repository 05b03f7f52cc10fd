/// What a mail program shows to prove who it is, however it said it. Nothing of it but the user's name is ever printed.
public enum POP3Credentials: Equatable, Sendable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// By USER and PASS, or by the SASL mechanisms PLAIN and LOGIN, which say the same.
    case password(user: String, POP3Password)
    /// By a mechanism that brings a token for the servers to check.
    ///
    /// `rest`: what follows the user's name in the mechanism's message, as it came.
    case token(SASLMechanism, user: String, rest: POP3Password)

    public var user: String {
        switch self {
        case .password(let user, _), .token(_, let user, _): user
        }
    }

    /// What only the user should know.
    public var secret: POP3Password {
        switch self {
        case .password(_, let secret), .token(_, _, let secret): secret
        }
    }

    /// The same for a user named otherwise: as a mailbox address.
    public func named(_ user: String) -> POP3Credentials {
        switch self {
        case .password(_, let password): .password(user: user, password)
        case .token(let mechanism, _, let rest): .token(mechanism, user: user, rest: rest)
        }
    }

    /// The mechanism by which a server that offers it is told.
    public var mechanism: SASLMechanism {
        switch self {
        case .password: .plain
        case .token(let mechanism, _, _): mechanism
        }
    }

    /// The mechanism's one message, in base 64.
    public var message: POP3Password {
        let octets: [UInt8]
        switch self {
        case .password(let user, let password):
            // RFC 4616 §2: no authorization identity, who logs in is whose maildrop it is.
            octets = [0] + Array(user.utf8) + [0] + password.octets
        case .token(.oauthBearer, let user, let rest):
            octets = Array("n,a=\(SASLName.escaped(user)),".utf8) + rest.octets
        case .token(_, let user, let rest):
            octets = Array("user=\(user)".utf8) + rest.octets
        }
        return POP3Password(octets: Base64.encode(octets))
    }

    public var description: String { "\(mechanism) \(user) ***" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
