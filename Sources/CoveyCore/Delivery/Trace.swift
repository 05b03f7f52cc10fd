public import Glibc

/// The Received field that this hop puts on top of the copies it delivers itself (RFC 5321 §4.4); the MTA's own field
/// is not shown to milters (facts 4).
public struct Trace: Sendable {
    /// The client's name as the MTA knows it.
    public var clientHost: String
    /// Nil for a client on the hub itself.
    public var clientAddress: String?
    /// What the client calls itself.
    public var helo: String
    public var isAuthenticated: Bool
    public var isEncrypted: Bool
    /// This host's full name.
    public var hostName: String
    public var queueID: String
    /// Given only for a single recipient: naming several would tell each of the others (RFC 5321 §7.2).
    public var recipient: String?

    public init(
        clientHost: String, clientAddress: String?, helo: String, isAuthenticated: Bool, isEncrypted: Bool,
        hostName: String, queueID: String, recipient: String?
    ) {
        self.clientHost = clientHost
        self.clientAddress = clientAddress
        self.helo = helo
        self.isAuthenticated = isAuthenticated
        self.isEncrypted = isEncrypted
        self.hostName = hostName
        self.queueID = queueID
        self.recipient = recipient
    }

    /// The field's value without the space behind the colon, its lines parted by CRLF and a tab.
    public func fieldValue(at time: time_t) -> String {
        let address = clientAddress.map { $0.contains(":") ? "[IPv6:\($0)]" : "[\($0)]" } ?? "local"
        // RFC 3848: S for TLS, A for an authenticated client.
        let with = "ESMTP" + (isEncrypted ? "S" : "") + (isAuthenticated ? "A" : "")
        var lines = [
            "from \(safe(helo.isEmpty ? "unknown" : helo)) (\(safe(clientHost)) \(address))",
            "by \(safe(hostName)) (covey-milter) with \(with) id \(safe(queueID))",
        ]
        if let recipient { lines.append("for <\(safe(recipient))>") }
        lines[lines.count - 1] += ";"
        lines.append(MailDate.text(Int(time)))
        return lines.joined(separator: "\r\n\t")
    }

    /// What a client says of itself goes into a header field: nothing but visible characters.
    private func safe(_ text: String) -> String {
        String(decoding: text.utf8.map { (0x21...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
