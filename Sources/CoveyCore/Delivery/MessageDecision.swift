/// What the milter answers for a whole message, and what it changes in the envelope.
public enum MessageDecision: Sendable, Equatable {
    /// 4xx for the whole message.
    case tempfail(ReplyText)
    /// 5xx for the whole message.
    case reject(ReplyText)
    /// 250, and the MTA drops its copy: everything is stored everywhere.
    case discard
    /// The MTA goes on with what is left: `remove` are places in the list of candidates that the MTA shall forget,
    /// `missing` the copies its queue shall carry.
    case proceed(remove: [Int], missing: [MissingCopy])

    /// A copy that a server is owed.
    public struct MissingCopy: Sendable, Equatable {
        /// Place of the recipient in the list of candidates.
        public var recipient: Int
        /// Place of the server in the configuration.
        public var server: Int

        public init(recipient: Int, server: Int) {
            self.recipient = recipient
            self.server = server
        }
    }

    /// The front door: what is not ours is left to the MTA (design §4.1).
    ///
    /// - Parameters:
    ///   - dispositions: of the candidates, at least one.
    ///   - hasOthers: whether the message has recipients that are no candidates.
    ///   - mayDiscard: false where the MTA would also drop things it owes to others (BCC maps and the like).
    public static func frontDoor(
        _ dispositions: [RecipientDisposition], hasOthers: Bool, mayDiscard: Bool
    ) -> MessageDecision {
        let (remove, missing) = taken(dispositions)
        if remove.isEmpty {
            for case .temporary(let reply) in dispositions { return .tempfail(reply) }
        }
        if !hasOthers, let reply = refusal(dispositions, allOf: { if case .refused = $0 { true } else { false } }) {
            return .reject(reply)
        }
        let nothingLeft = remove.count == dispositions.count && missing.isEmpty && !hasOthers
        return nothingLeft && mayDiscard ? .discard : .proceed(remove: remove, missing: missing)
    }

    /// The back door, where nothing may be left over: the MTA would send it back to us, for ever (design §4.3).
    ///
    /// A message comes here with one recipient (facts 37). Should it have several of different fates, it is
    /// tempfailed: those that were stored are stored again under the same id, which the proxy shows once.
    public static func backDoor(_ dispositions: [RecipientDisposition], mayDiscard: Bool) -> MessageDecision {
        let (remove, missing) = taken(dispositions)
        if remove.count == dispositions.count {
            return missing.isEmpty && mayDiscard ? .discard : .proceed(remove: remove, missing: missing)
        }
        let final = refusal(dispositions) { disposition in
            switch disposition {
            case .refused, .unknownUser(_, byAll: true): true
            default: false
            }
        }
        if let final { return .reject(final) }
        for case .temporary(let reply) in dispositions { return .tempfail(reply) }
        return .tempfail(
            ReplyText(code: 451, enhanced: "4.3.0", text: "not all mailbox servers could be asked, try again later"))
    }

    private static func taken(_ dispositions: [RecipientDisposition]) -> ([Int], [MissingCopy]) {
        var remove: [Int] = []
        var copies: [MissingCopy] = []
        for (recipient, disposition) in dispositions.enumerated() {
            guard case .ours(let missing, _) = disposition else { continue }
            remove.append(recipient)
            copies += missing.map { MissingCopy(recipient: recipient, server: $0) }
        }
        return (remove, copies)
    }

    /// The words of the first refusal, if all dispositions are such refusals.
    private static func refusal(
        _ dispositions: [RecipientDisposition], allOf isRefusal: (RecipientDisposition) -> Bool
    ) -> ReplyText? {
        guard dispositions.allSatisfy(isRefusal) else { return nil }
        switch dispositions.first {
        case .refused(let reply), .unknownUser(let reply, _): return reply
        default: return nil
        }
    }
}
