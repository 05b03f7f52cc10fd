/// What one mailbox server did with the copy for one envelope recipient, as far as the decision needs to know.
public enum CopyVerdict: Sendable, Equatable {
    case stored
    /// Refused at RCPT with 5.1.1: the server does not know this user.
    case unknownUser(ReplyText)
    /// Refused for good: quota, size, content.
    case refusedForGood(ReplyText)
    /// Refused for now.
    case refusedForNow(ReplyText)
    /// No answer: down, or lost on the way.
    case noAnswer(String)
    /// The whole message was sent but its reply was lost: stored or not.
    case fateUnknown(String)

    var isStored: Bool { self == .stored }
    var isUnknownUser: Bool { if case .unknownUser = self { true } else { false } }
    var isAnswer: Bool {
        switch self {
        case .stored, .unknownUser, .refusedForGood, .refusedForNow: true
        case .noAnswer, .fateUnknown: false
        }
    }
}

/// An SMTP reply in the parts that a milter sets one from.
public struct ReplyText: Sendable, Equatable {
    /// 400 to 599.
    public var code: Int
    /// `5.2.2`
    public var enhanced: String
    public var text: String

    public init(code: Int, enhanced: String, text: String) {
        self.code = code
        self.enhanced = enhanced
        self.text = text
    }
}

/// What is to be done about one envelope recipient (the table of design §4.1).
public enum RecipientDisposition: Sendable, Equatable {
    /// Enough servers stored it: the recipient is taken from the MTA, and the servers at these places in the
    /// configuration are owed a copy by the MTA's queue.
    case ours(missing: [Int], drifted: Bool)
    /// Every server that answered does not know the user; `byAll` if every configured server answered so.
    case unknownUser(ReplyText, byAll: Bool)
    /// Fewer than the wanted copies, for reasons that may pass.
    case temporary(ReplyText)
    /// Every server refused for good.
    case refused(ReplyText)

    /// - Parameters:
    ///   - verdicts: one for each configured server, in configuration order.
    ///   - minimum: `milter.min_copies`.
    public init(verdicts: [CopyVerdict], minimum: ClusterConfiguration.Milter.MinCopies) {
        let wanted =
            switch minimum {
            case .count(let count): min(count, verdicts.count)
            case .all: verdicts.count
            }
        let stored = verdicts.count(where: \.isStored)
        let answers = verdicts.filter(\.isAnswer)
        // A server whose reply to the message is missing had taken the recipient: nobody may say that there is none.
        let isDoubtful = verdicts.contains { if case .fateUnknown = $0 { true } else { false } }
        if stored == 0, !isDoubtful, !answers.isEmpty, let refusal = RecipientDisposition.refusalByAll(answers) {
            // Only unknown users among those that answered: the user may yet be known to a server that is down.
            if answers.allSatisfy(\.isUnknownUser) {
                self = .unknownUser(refusal, byAll: answers.count == verdicts.count)
                return
            }
            if answers.count == verdicts.count {
                self = .refused(refusal)
                return
            }
        }
        // With min_copies = 0 the hub's queue is enough, but not where a server that answered would not have it.
        let queueAlone = stored == 0 && wanted == 0 && answers.isEmpty
        if stored >= max(wanted, 1) || queueAlone {
            let missing = verdicts.indices.filter { !verdicts[$0].isStored }
            // Refused for good by one, stored by another: the cluster has drifted apart.
            let drifted = verdicts.contains { verdict in
                switch verdict {
                case .unknownUser, .refusedForGood: true
                default: false
                }
            }
            self = .ours(missing: missing, drifted: drifted)
            return
        }
        self = .temporary(RecipientDisposition.temporaryReply(verdicts, stored: stored, wanted: max(wanted, 1)))
    }

    /// A server's words if all of these refuse for good.
    private static func refusalByAll(_ answers: [CopyVerdict]) -> ReplyText? {
        var unknown: ReplyText?
        var refused: ReplyText?
        for answer in answers {
            switch answer {
            // What is wrong with the message tells the sender more than that another server lacks the user.
            case .refusedForGood(let reply): refused = refused ?? reply
            case .unknownUser(let reply): unknown = unknown ?? reply
            default: return nil
            }
        }
        return refused ?? unknown
    }

    /// 451 4.3.x (RFC 3463 §3.4), with a server's own words where one gave some. Names and addresses of servers are
    /// for the log, not for senders.
    private static func temporaryReply(_ verdicts: [CopyVerdict], stored: Int, wanted: Int) -> ReplyText {
        for case .refusedForNow(let reply) in verdicts where stored == 0 {
            return ReplyText(code: 451, enhanced: "4.3.0", text: "mailbox server: \(reply.text)")
        }
        let text =
            stored == 0
            ? "no mailbox server can take the message now, try again later"
            : "\(stored) of \(wanted) mailbox servers stored the message, try again later"
        return ReplyText(code: 451, enhanced: "4.3.2", text: text)
    }
}
