/// One mail transaction: RSET if one is owed, MAIL, RCPT for each recipient, the message, and what the server says to
/// each.
///
/// Commands go out in one write where the server takes them so (RFC 2920), else one at a time; replies come in the
/// order of the commands. A part of `LMTPClientState`.
struct LMTPTransaction {
    typealias Action = LMTPClientState.Action

    struct Plan {
        var envelope: Envelope
        /// Nil for a probe, which ends before the message.
        var messageLength: Int?
        var pipelineMessage: Bool
        /// XCLIENT and the hello that has to follow it, where the server shall be told of another client.
        var introduction: (xclient: String, hello: String)?
    }

    /// What the next reply answers.
    private enum Awaited {
        case reset
        case xclient
        case hello
        case mail
        case recipient(Int)
        case goAhead
        /// The reply after the message, for these recipients.
        case verdict([Int])
    }

    private let plan: Plan
    private let dialect: LMTPClientState.Dialect
    private let capabilities: SMTPCapabilities
    private let resetFirst: Bool

    /// Commands not sent yet, and what their replies will mean; only without PIPELINING there is more than nothing.
    private var unsent: [(command: String, awaited: Awaited)] = []
    private var awaited: [Awaited] = []
    private var outcomes: [RecipientOutcome?]
    private var accepted: [Int] = []
    private var repliesSeen = 0
    /// Whether the message follows the commands without waiting.
    private var messagePipelined = false
    private var messageBegun = false
    private var messageDone = false
    /// Whether the server took XCLIENT; nil where it was not asked or has not answered.
    private(set) var isIntroduced: Bool?

    init(
        _ plan: Plan, dialect: LMTPClientState.Dialect, capabilities: SMTPCapabilities, resetFirst: Bool
    ) {
        precondition(!plan.envelope.recipients.isEmpty, "a transaction has a recipient")
        self.plan = plan
        self.dialect = dialect
        self.capabilities = capabilities
        self.resetFirst = resetFirst
        outcomes = Array(repeating: nil, count: plan.envelope.recipients.count)
    }

    var isUnanswered: Bool { repliesSeen == 0 }

    /// Whether the server may still think itself in this transaction: a message that it answered ends it, with
    /// everything else it goes on until RSET (RFC 5321 §4.1.1.5).
    var leavesEnvelope: Bool { !(messageDone && !accepted.isEmpty) }

    mutating func begin() -> Action {
        var commands: [(command: String, awaited: Awaited)] = []
        if resetFirst { commands.append(("RSET\r\n", .reset)) }
        if let introduction = plan.introduction {
            // Postfix's XCLIENT_README: the server is back at its greeting, and wants a hello before MAIL.
            commands.append((introduction.xclient + "\r\n", .xclient))
            commands.append((introduction.hello + "\r\n", .hello))
        }
        commands.append((mailCommand, .mail))
        for (index, recipient) in plan.envelope.recipients.enumerated() {
            commands.append(("RCPT TO:<\(recipient)>\r\n", .recipient(index)))
        }
        guard capabilities.pipelining else {
            unsent = Array(commands.dropFirst())
            awaited = [commands[0].awaited]
            return .send(commands[0].command)
        }
        awaited = commands.map(\.awaited)
        let text = commands.map(\.command).joined()
        // facts 17: MAIL, RCPT and BDAT LAST with the data in one write: one round trip for a message.
        if let length = plan.messageLength, plan.pipelineMessage, capabilities.chunking {
            messagePipelined = true
            messageBegun = true
            return .sendMessage(prefix: text + "BDAT \(length) LAST\r\n", framing: .counted)
        }
        return .send(text)
    }

    private var mailCommand: String {
        var command = "MAIL FROM:<\(plan.envelope.sender)>"
        // RFC 6152 §3 knows these two; BINARYMIME would need an offer of its own (RFC 3030 §3).
        let types = ["7BIT", "8BITMIME"]
        if capabilities.eightBitMIME, let type = plan.envelope.bodyType?.uppercased(), types.contains(type) {
            command += " BODY=\(type)"
        }
        if let length = plan.messageLength, capabilities.size { command += " SIZE=\(length)" }
        return command + "\r\n"
    }

    mutating func received(_ reply: SMTPReply) -> Action {
        repliesSeen += 1
        guard !awaited.isEmpty else {
            return outOfStep("\"\(reply)\" unasked")
        }
        switch awaited.removeFirst() {
        case .reset:
            // RFC 5321 §4.1.1.5: RSET is always answered with 250. Whatever envelope this server holds, it is not ours.
            guard reply.isPositive else { return outOfStep("\"\(reply)\" to RSET") }
        case .xclient:
            // Refused, the server takes the mail all the same: it is only not told whose it is.
            guard let isPositive = reply.verdict, reply.code != 421 else { return outOfStep("\"\(reply)\" to XCLIENT") }
            isIntroduced = isPositive
        case .hello:
            guard reply.code == 250 else { return outOfStep("\"\(reply)\" to the hello after XCLIENT") }
        case .mail:
            guard let isPositive = reply.verdict else { return outOfStep("\"\(reply)\" to MAIL") }
            guard isPositive else { return refuseAll(reply, .mail) }
        case .recipient(let index):
            guard let isPositive = reply.verdict else { return outOfStep("\"\(reply)\" to RCPT") }
            if isPositive {
                accepted.append(index)
                if plan.messageLength == nil { outcomes[index] = .accepted(reply) }
            } else {
                outcomes[index] = .refused(reply, .recipient)
            }
            if reply.code == 421 { return closing(.refused(reply, .recipient)) }
        case .goAhead:
            // RFC 5321 §4.1.1.4: only 354 invites the message.
            guard reply.code == 354 else {
                guard reply.verdict == false else { return outOfStep("\"\(reply)\" to DATA") }
                for index in accepted { outcomes[index] = .refused(reply, .data) }
                return finish(reusable: reply.code != 421)
            }
            messageBegun = true
            awaited = verdictsAwaited
            return .sendMessage(prefix: "", framing: .dotStuffed)
        case .verdict(let indices):
            guard let isPositive = reply.verdict else { return outOfStep("\"\(reply)\" to the message") }
            // Nobody can have stored a message that was not sent: this reply answers something else.
            if isPositive, !messageDone { return outOfStep("\"\(reply)\" to a message not wholly sent") }
            for index in indices {
                outcomes[index] = isPositive ? .accepted(reply) : .refused(reply, .data)
            }
            // What the server did for the recipients that it leaves without a reply is not known.
            if reply.code == 421 {
                return closing(messageDone ? .unknown("connection closed with \"\(reply)\"") : .refused(reply, .data))
            }
        }
        return advance()
    }

    /// RFC 5321 §3.8: after 421 the server closes the connection; nothing more will be answered.
    private func closing(_ rest: RecipientOutcome) -> Action {
        finish(withRest: rest, reusable: false)
    }

    /// A reply that cannot be the answer to what we sent: nothing that this server says from here on can be trusted.
    private func outOfStep(_ reason: String) -> Action {
        .finish(failed(reason), reusable: false)
    }

    mutating func messageSent() -> Action {
        messageDone = true
        return advance()
    }

    /// What is known of each recipient when no more can be learned.
    func failed(_ reason: String) -> [RecipientOutcome] {
        let rest: RecipientOutcome = messageDone ? .unknown(reason) : .unreachable(reason)
        return outcomes.map { $0 ?? rest }
    }

    private var verdictsAwaited: [Awaited] {
        // RFC 2033 §4.2: a reply for each recipient that was accepted, in their order.
        dialect == .lmtp ? accepted.map { .verdict([$0]) } : [.verdict(accepted)]
    }

    private mutating func advance() -> Action {
        if !unsent.isEmpty, awaited.isEmpty {
            let next = unsent.removeFirst()
            awaited = [next.awaited]
            return .send(next.command)
        }
        guard awaited.isEmpty else { return .wait }
        if messagePipelined {
            // All recipients are answered; now the replies to the message are due. Without an accepted recipient it
            // is one refusal for all (RFC 5321 §4.1.1.4: "554 no valid recipients").
            messagePipelined = false
            awaited = accepted.isEmpty ? [.verdict([])] : verdictsAwaited
            return .wait
        }
        if messageBegun {
            // A server may refuse before it has read everything; the rest then need not be sent.
            return finish(reusable: messageDone)
        }
        guard let length = plan.messageLength, !accepted.isEmpty else { return finish(reusable: true) }
        if capabilities.chunking {
            messageBegun = true
            awaited = verdictsAwaited
            return .sendMessage(prefix: "BDAT \(length) LAST\r\n", framing: .counted)
        }
        awaited = [.goAhead]
        return .send("DATA\r\n")
    }

    private mutating func refuseAll(_ reply: SMTPReply, _ stage: RecipientOutcome.Stage) -> Action {
        for index in outcomes.indices { outcomes[index] = .refused(reply, stage) }
        // With commands under way whose replies are still to come, a fresh connection is simpler than counting them.
        return finish(reusable: awaited.isEmpty && !messageBegun && reply.code != 421)
    }

    private func finish(withRest rest: RecipientOutcome? = nil, reusable: Bool) -> Action {
        .finish(outcomes.map { $0 ?? rest ?? .unreachable("no reply") }, reusable: reusable)
    }
}

extension SMTPReply {
    /// True for 2xx, false for 4xx and 5xx; nil for 3xx, which says neither (RFC 5321 §4.2.1).
    fileprivate var verdict: Bool? { code >= 400 ? false : isPositive ? true : nil }
}
