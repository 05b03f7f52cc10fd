/// What a mailbox server's CAPA response lists (RFC 2449 §5, §6).
public struct POP3ServerCapabilities: Equatable, Sendable {
    /// Parameters by tag, all upper case.
    private var parameters: [String: [String]] = [:]

    /// Of a server that does not know CAPA: none.
    public init() {}

    /// - Parameter lines: the response without its status line and dot.
    public init(lines: some Sequence<String>) {
        for line in lines.lazy.prefix(POP3Limits.capabilities) {
            let words = line.split(separator: " ").map { $0.uppercased() }
            guard let tag = words.first else { continue }
            parameters[tag] = Array(words.dropFirst())
        }
    }

    /// RFC 5034 §3: the mechanisms are the parameters of SASL.
    public func offers(_ mechanism: SASLMechanism) -> Bool {
        parameters["SASL"]?.contains(mechanism.rawValue) ?? false
    }

    /// RFC 6856 §2.1.
    public var offersUTF8: Bool { parameters["UTF8"] != nil }
    /// RFC 6856 §2.2: names and passwords may be UTF-8.
    public var offersUTF8Users: Bool { parameters["UTF8"]?.contains("USER") ?? false }
    /// Days that messages are kept at least (RFC 2449 §6.7); nil: for ever, or the server does not say.
    public var expire: Int? { number(of: "EXPIRE") }
    /// Seconds between two logins of one user (RFC 2449 §6.5).
    public var loginDelay: Int? { number(of: "LOGIN-DELAY") }

    private func number(of tag: String) -> Int? {
        parameters[tag]?.first.flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
    }
}
