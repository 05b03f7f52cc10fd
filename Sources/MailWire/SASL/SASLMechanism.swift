/// The SASL mechanisms that a mail program may log in by.
public enum SASLMechanism: String, Sendable, CaseIterable, CustomStringConvertible {
    /// RFC 4616.
    case plain = "PLAIN"
    /// Of no RFC, and asked for by Outlook: draft-murchison-sasl-login.
    case login = "LOGIN"
    /// RFC 7628.
    case oauthBearer = "OAUTHBEARER"
    /// Google's and Microsoft's form of it, from before the RFC.
    case xoauth2 = "XOAUTH2"

    /// Those that end in a name and a password: any server can be asked about these.
    public static let byPassword: [SASLMechanism] = [.plain, .login]
    /// Those that only the servers understand: each has to offer the same.
    public static let byToken: [SASLMechanism] = [.oauthBearer, .xoauth2]

    public var description: String { rawValue }

    /// What ends an exchange after the server has told by a challenge what is wrong with a token. RFC 7628 §3.2.3 has a
    /// control-A; XOAUTH2 an empty line.
    var dismissal: [UInt8] { self == .oauthBearer ? [1] : [] }
}
