/// What an envelope recipient is to Covey (design §4.1, §4.3).
public enum RecipientKind: Sendable, Equatable {
    /// The milter may store copies for this mailbox.
    case candidate(MailboxAddress)
    /// In a cluster domain, but its way is the MTA's to find: the message is stamped, the recipient left alone.
    case leftToMTA
    /// Nothing of ours.
    case foreign
    /// Nobody may write there.
    case refused(ReplyText)
}

/// A mailbox address that came as an envelope recipient.
public struct MailboxAddress: Sendable, Equatable {
    /// As it was typed, angle brackets included where there were some: what delrcpt must match (facts 6).
    public var typed: String
    public var localPart: String
    /// Lower-case.
    public var domain: String

    /// For LMTP, without angle brackets.
    public var text: String { "\(localPart)@\(domain)" }
    /// Two addresses with the same key are one mailbox.
    public var key: String { text.lowercased() }

    /// The address whose mail the MTA's queue carries to one server alone (design §4.2).
    public func missingCopyAddress(server: String) -> String {
        "\(localPart)@\(domain).\(server).\(MailboxAddress.reservedDomain)"
    }

    /// Reads `<a@b>` or `a@b`; nil where there is no domain, a source route, or an octet that has no place in an
    /// address.
    public init?(typed: String) {
        var text = typed[...]
        if text.first == "<", text.last == ">" { text = text.dropFirst().dropLast() }
        // The domain begins behind the last @: a quoted local part may hold others (RFC 5321 §4.1.2).
        guard let at = text.lastIndex(of: "@"), text.first != "@" else { return nil }
        let local = text[..<at]
        let domain = text[text.index(after: at)...]
        guard !local.isEmpty, !domain.isEmpty else { return nil }
        guard text.utf8.allSatisfy({ (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: ">") })
        else { return nil }
        self.typed = typed
        localPart = String(local)
        self.domain = domain.lowercased()
    }

    /// Never a real domain (RFC 6761 §6.4): below it live the addresses of missing copies.
    public static let reservedDomain = "covey.invalid"
}

/// Decides what an envelope recipient is.
public struct RecipientRules: Sendable {
    /// The transport that leads to the back door, as Postfix's setup and Sendmail's mailer name it.
    public static let backDoorTransports: Set<String> = ["covey-back", sendmailBackDoor]
    private static let sendmailBackDoor = "coveyback"
    private static let internalDomain = ReplyText(
        code: 550, enhanced: "5.7.1", text: "this domain is for the mail system's own use")
    /// How the names of the transports for missing copies begin, Postfix's and Sendmail's (there a port may follow).
    private static let copyTransports = ["covey-lmtp", "covey-smtp", "coveylmtp", "coveysmtp"]

    private let domains: Set<String>
    private let journalLocalPart: String
    private let journalDomain: String

    public init(_ configuration: ClusterConfiguration) {
        domains = Set(configuration.cluster.domains)
        let parts = configuration.journal.mailbox.lowercased().split(separator: "@")
        journalLocalPart = parts.first.map(String.init) ?? ""
        journalDomain = parts.last.map(String.init) ?? ""
    }

    /// At the front door.
    ///
    /// - Parameters:
    ///   - typed: the RCPT argument.
    ///   - mailer: the macro `{rcpt_mailer}`: the transport the MTA chose.
    ///   - rewritten: the macro `{rcpt_addr}`: what the MTA's own tables make of the address. Only Sendmail's is
    ///     looked at, which has the virtusertable's answer in it.
    public func classifyAtFrontDoor(typed: String?, mailer: String?, rewritten: String? = nil) -> RecipientKind {
        // However the journal's address is written.
        let rewritten = mailer == RecipientRules.sendmailBackDoor ? rewritten.map(RecipientRules.withoutFinalDot) : nil
        if let rewritten, let target = MailboxAddress(typed: rewritten), let refusal = refusal(for: target) {
            return .refused(refusal)
        }
        guard let typed, let address = MailboxAddress(typed: typed) else { return foreign(mailer: mailer) }
        if let refusal = refusal(for: address) { return .refused(refusal) }
        guard domains.contains(address.domain) else { return foreign(mailer: mailer) }
        guard let mailer, RecipientRules.backDoorTransports.contains(mailer) else { return .leftToMTA }
        if let rewritten, rewritten.lowercased() != address.key { return .leftToMTA }
        return .candidate(address)
    }

    /// However it is written (`u%example.com.a.covey.invalid@hub`): nobody but the milter puts copies into the queue.
    private func foreign(mailer: String?) -> RecipientKind {
        let isCopy = mailer.map { mailer in RecipientRules.copyTransports.contains { mailer.hasPrefix($0) } } ?? false
        return isCopy ? .refused(RecipientRules.internalDomain) : .foreign
    }

    /// Sendmail may put a dot behind the domain.
    private static func withoutFinalDot(_ address: String) -> String {
        address.last == "." ? String(address.dropLast()) : address
    }

    /// At the back door: only mailboxes of the cluster come here.
    public func classifyAtBackDoor(typed: String?) -> RecipientKind {
        guard let typed, let address = MailboxAddress(typed: typed) else {
            return .refused(ReplyText(code: 553, enhanced: "5.1.3", text: "not a mailbox address"))
        }
        if let refusal = refusal(for: address) { return .refused(refusal) }
        guard domains.contains(address.domain) else {
            return .refused(ReplyText(code: 554, enhanced: "5.7.1", text: "not a domain of this cluster"))
        }
        return .candidate(address)
    }

    private func refusal(for address: MailboxAddress) -> ReplyText? {
        let reserved = MailboxAddress.reservedDomain
        if address.domain == reserved || address.domain.hasSuffix("." + reserved) {
            return RecipientRules.internalDomain
        }
        if address.domain == journalDomain, isJournal(address.localPart) {
            return ReplyText(code: 550, enhanced: "5.7.1", text: "this mailbox takes no mail")
        }
        return nil
    }

    /// Compared unquoted, lower-cased, without extension (design §6): whatever a server might deliver there.
    private func isJournal(_ localPart: String) -> Bool {
        var plain = localPart.lowercased()
        // Quotes may stand around a part of it too (RFC 5322 §4.4, obsolete syntax).
        plain.removeAll { $0 == "\\" || $0 == "\"" }
        guard plain.hasPrefix(journalLocalPart) else { return false }
        // Any customary delimiter: which one is in force only the servers know.
        guard let next = plain.dropFirst(journalLocalPart.count).first else { return true }
        return "+-=_".contains(next)
    }
}
