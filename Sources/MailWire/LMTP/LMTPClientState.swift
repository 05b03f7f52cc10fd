/// The client's side of an LMTP (RFC 2033) or SMTP (RFC 5321) connection: greeting, hello, then one transaction after
/// another.
///
/// Events go in, actions come out; no socket, clock or promise inside. The peer may do anything at any time: what it
/// may not do ends in `.fail`, never in a trap.
public struct LMTPClientState {
    public enum Dialect: Sendable, Equatable {
        /// LHLO, and one reply per accepted recipient after the message (RFC 2033 §4.2).
        case lmtp
        /// EHLO, and one reply for all of them.
        case smtp
    }

    public enum Action: Equatable {
        /// Nothing to do until the next event.
        case wait
        /// Write this and wait for replies.
        case send(String)
        /// Greeting and hello are done: `begin` may be called.
        case becomeReady
        /// Write `prefix` and then the message, framed as told; call `messageSent()` once its last octet is handed over.
        case sendMessage(prefix: String, framing: Framing)
        /// The transaction is over: one outcome per envelope recipient, in their order. The connection may take the
        /// next transaction only if it is `reusable`.
        case finish([RecipientOutcome], reusable: Bool)
        /// The connection is of no use: close it. No transaction was under way.
        case fail(String)
    }

    public enum Framing: Sendable, Equatable {
        /// As it is; its length was announced (BDAT, RFC 3030 §2).
        case counted
        /// Dot-stuffed and ended by a line with a dot (RFC 5321 §4.5.2).
        case dotStuffed
    }

    private enum State {
        case waitingForGreeting
        case waitingForHello
        case idle
        case transaction(LMTPTransaction)
        case closed
    }

    private let dialect: Dialect
    private let heloName: String
    private var state = State.waitingForGreeting
    /// What the server offered in reply to the hello.
    public private(set) var capabilities = SMTPCapabilities()
    /// Whether the server may still hold an envelope of a transaction that did not come to its end.
    private var needsReset = false
    /// Whom the server was told of last, and whether it listens to that at all.
    private var introduced: SendingClient?
    private var refusesXCLIENT = false

    /// - Parameter heloName: the name this host gives itself (RFC 5321 §4.1.1.1).
    public init(dialect: Dialect, heloName: String) {
        self.dialect = dialect
        self.heloName = heloName
    }

    /// LHLO (RFC 2033 §4.1) or EHLO (RFC 5321 §4.1.1.1), without line end.
    public static func hello(_ dialect: Dialect, _ name: String) -> String {
        (dialect == .lmtp ? "LHLO " : "EHLO ") + name
    }

    public var isIdle: Bool {
        if case .idle = state { return true }
        return false
    }

    /// Whether a transaction is under way to which the server has said nothing yet: on a connection that was kept open
    /// this is how a server's restart shows, and another connection may be tried without sending anything twice.
    public var isUnanswered: Bool {
        if case .transaction(let transaction) = state { return transaction.isUnanswered }
        return false
    }

    /// Begins a transaction. The connection must be idle.
    ///
    /// - Parameters:
    ///   - messageLength: octets of header and body.
    ///   - pipelineMessage: whether the message may be sent before the server has answered for the recipients (one
    ///     round trip less; wasteful for a large message that nobody may want).
    public mutating func begin(_ envelope: Envelope, messageLength: Int, pipelineMessage: Bool) -> Action {
        start(LMTPTransaction.Plan(envelope: envelope, messageLength: messageLength, pipelineMessage: pipelineMessage))
    }

    /// Asks whether the server would take mail for the recipients: MAIL, RCPT, and RSET at the next occasion.
    public mutating func beginProbe(_ envelope: Envelope) -> Action {
        start(LMTPTransaction.Plan(envelope: envelope, messageLength: nil, pipelineMessage: false))
    }

    private mutating func start(_ plan: LMTPTransaction.Plan) -> Action {
        guard case .idle = state else { preconditionFailure("a transaction begins on an idle connection only") }
        var plan = plan
        if plan.messageLength != nil, !refusesXCLIENT, let client = plan.envelope.client, client != introduced,
            let xclient = client.xclient(capabilities.xclient)
        {
            plan.introduction = (xclient, LMTPClientState.hello(dialect, heloName))
            introduced = client
        }
        var transaction = LMTPTransaction(plan, dialect: dialect, capabilities: capabilities, resetFirst: needsReset)
        let action = transaction.begin()
        state = .transaction(transaction)
        return action
    }

    /// The server said something.
    public mutating func received(_ reply: SMTPReply) -> Action {
        switch state {
        case .waitingForGreeting:
            guard reply.code == 220 else { return giveUp("greeting \"\(reply)\"") }
            state = .waitingForHello
            return .send(LMTPClientState.hello(dialect, heloName) + "\r\n")
        case .waitingForHello:
            // Exactly 250 (RFC 5321 §4.1.1.1): a second greeting is not an answer to our hello.
            guard reply.code == 250 else { return giveUp("answered our hello with \"\(reply)\"") }
            capabilities = SMTPCapabilities(hello: reply)
            state = .idle
            return .becomeReady
        case .idle:
            // Nothing was asked: 421 of a server that shuts down (RFC 5321 §3.8), or a peer out of step.
            return giveUp("\"\(reply)\" unasked")
        case .transaction(var transaction):
            let action = transaction.received(reply)
            return proceed(transaction, action)
        case .closed:
            return .wait
        }
    }

    /// The last octet of the message was handed to the connection.
    public mutating func messageSent() -> Action {
        guard case .transaction(var transaction) = state else { return .wait }
        let action = transaction.messageSent()
        return proceed(transaction, action)
    }

    /// The connection is gone, a deadline has passed, the peer talked nonsense or the message could not be read.
    public mutating func failed(_ reason: String) -> Action {
        switch state {
        case .transaction(let transaction):
            state = .closed
            return .finish(transaction.failed(reason), reusable: false)
        case .closed:
            return .wait
        case .waitingForGreeting, .waitingForHello, .idle:
            return giveUp(reason)
        }
    }

    private mutating func giveUp(_ reason: String) -> Action {
        state = .closed
        return .fail(reason)
    }

    private mutating func proceed(_ transaction: LMTPTransaction, _ action: Action) -> Action {
        if case .finish(_, let reusable) = action {
            if transaction.isIntroduced == false { refusesXCLIENT = true }
            needsReset = transaction.leavesEnvelope
            state = reusable ? .idle : .closed
        } else {
            state = .transaction(transaction)
        }
        return action
    }
}
