/// What the proxy can do for a mail program beyond RFC 1939, given what the mailbox servers can do: CAPA's answer.
///
/// Taken once for each session, so that the list is the same before and after login (facts 22).
public struct POP3Offer: Equatable, Sendable {
    /// Mechanisms whose messages only the servers understand: those that all of them offer.
    public var tokenMechanisms: [SASLMechanism] = []
    /// RFC 6856 §2.
    public var utf8 = false
    public var utf8Users = false
    /// Days; nil: never.
    public var expire: Int?
    /// Seconds.
    public var loginDelay: Int?

    /// What needs nothing of the servers.
    public init() {}

    /// - Parameter servers: of all servers that can be reached; none is like one that can do nothing.
    public init(servers: [POP3ServerCapabilities]) {
        guard !servers.isEmpty else { return }
        tokenMechanisms = SASLMechanism.byToken.filter { mechanism in servers.allSatisfy { $0.offers(mechanism) } }
        utf8 = servers.allSatisfy(\.offersUTF8)
        utf8Users = servers.allSatisfy(\.offersUTF8Users)
        // What one server drops is shown as long as another holds it, but nobody should count on that.
        expire = servers.compactMap(\.expire).min()
        loginDelay = servers.compactMap(\.loginDelay).max()
    }

    public var mechanisms: [SASLMechanism] { SASLMechanism.byPassword + tokenMechanisms }

    /// The lines of CAPA's answer.
    public var capabilities: [String] {
        var lines = ["TOP", "UIDL", "USER", "SASL \(mechanisms.map(\.rawValue).joined(separator: " "))", "PIPELINING"]
        lines += ["RESP-CODES", "AUTH-RESP-CODE", "EXPIRE \(expire.map { "\($0)" } ?? "NEVER")"]
        if let loginDelay { lines.append("LOGIN-DELAY \(loginDelay)") }
        if utf8 { lines.append(utf8Users ? "UTF8 USER" : "UTF8") }
        // RFC 6856 §3: all words that the client reads are the proxy's own, never a server's.
        return lines + ["LANG", "IMPLEMENTATION Covey"]
    }
}
