/// A copy that a mailbox server lacks, waiting in the MTA's queue.
public struct MissingCopy: Sendable, Equatable {
    /// What tells copies apart. With the time, because Postfix uses its short queue ids again.
    public struct Key: Sendable, Hashable {
        public var queueID: String
        /// Seconds since 1970.
        public var arrival: Int
        /// As the queue has it: `user@domain.SERVER.covey.invalid`.
        public var recipient: String

        public init(queueID: String, arrival: Int, recipient: String) {
            self.queueID = queueID
            self.arrival = arrival
            self.recipient = recipient
        }
    }

    public var key: Key
    public var server: String
    /// Why the last try failed, in the MTA's words.
    public var reason: String?
    public var isFromNobody: Bool
    public var isToExpire: Bool

    public init(key: Key, server: String, reason: String?, isFromNobody: Bool = false, isToExpire: Bool = false) {
        self.key = key
        self.server = server
        self.reason = reason
        self.isFromNobody = isFromNobody
        self.isToExpire = isToExpire
    }

    /// The server in the address of a missing copy; nil for every other address.
    static func server(of address: String) -> String? {
        let end = "." + MailboxAddress.reservedDomain
        guard let at = address.lastIndex(of: "@") else { return nil }
        let domain = address[address.index(after: at)...].lowercased()
        guard domain.hasSuffix(end) else { return nil }
        let labels = domain.dropLast(end.count).split(separator: ".", omittingEmptySubsequences: false)
        guard labels.count > 1, let server = labels.last, !server.isEmpty else { return nil }
        return String(server)
    }

    /// The mailbox that the copy is for.
    public var mailbox: String {
        let end = ".\(server).\(MailboxAddress.reservedDomain)"
        return key.recipient.count > end.count ? String(key.recipient.dropLast(end.count)) : key.recipient
    }

    /// Whether the server said no for good: trying again will not help until somebody repairs something there.
    ///
    /// Postfix's words, which it also uses where soft_bounce keeps the copy. A 5xx to the greeting or LHLO is about the
    /// server and not about this copy, and may be over tomorrow.
    public var isRefused: Bool {
        guard let reason else { return false }
        if reason.hasPrefix("SMTPUTF8 is required, but was not offered") { return true }
        guard let said = reason.firstRange(of: " said: ") else { return false }
        let code = reason[said.upperBound...].utf8.prefix(3)
        guard code.count == 3, code.first == UInt8(ascii: "5"), code.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return false
        }
        return !["EHLO", "HELO", "LHLO"].contains { reason.contains("(in reply to \($0) command)") }
    }
}
