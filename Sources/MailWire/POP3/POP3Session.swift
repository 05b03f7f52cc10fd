public import NIOCore

/// The session that a mail program sees: RFC 1939's states, its marks and its answers.
///
/// Pure: commands and results of work go in, reply octets are appended to the buffer given, and an `Action` says what
/// the caller must do next. While an action is under way no further command may be given to it.
public struct POP3Session: Sendable {
    /// A message of the maildrop as the mail program sees it.
    public struct Message: Equatable, Sendable {
        public let uniqueID: String
        /// Size as LIST shows it.
        public let octets: Int

        public init(uniqueID: String, octets: Int) {
            self.uniqueID = uniqueID
            self.octets = octets
        }
    }

    public enum Action: Equatable, Sendable {
        /// The reply is complete: the next command may be taken.
        case proceed
        /// The reply is complete: send it and close.
        case end
        /// The reply is complete: send it and begin TLS. Whatever came in clear after the command must not be taken.
        case startTLS
        /// Check the credentials and read the maildrop; then `loggedIn` or `loginFailed`.
        case logIn(POP3Credentials)
        /// Send the message with this index (from 0), or its header and `lines` lines; then `retrievalBegins`,
        /// `retrievalEnds`.
        case retrieve(Int, lines: Int?)
        /// Remove the messages with these indices for good; then `updated`.
        case update([Int])
    }

    public enum LoginFailure: Equatable, Sendable {
        /// The credentials are wrong. `challenge`: what a server told about a token (RFC 7628 §3.2.2), for the client
        /// to see before it is refused.
        case refused(challenge: [UInt8]? = nil)
        /// No server can tell.
        case unavailable
        /// Nobody was asked: too many logins from the client's address have failed.
        case tooManyFailures
    }

    public enum RetrievalEnd: Equatable, Sendable {
        /// Every octet was sent.
        case complete
        /// Nothing was sent, not even the status line: no server has the message now.
        case impossible
        /// Octets were sent and the rest cannot be had. The connection closes without the final dot, so that no mail
        /// program takes the part for the whole.
        case brokenOff
    }

    /// Whether the client's connection is encrypted, or can be.
    public enum TLS: Equatable, Sendable { case unavailable, offered, active }

    enum State: Sendable {
        case authorization(user: String?)
        /// The client's next line is its next message. An exchange that comes to nothing leaves USER as it was.
        case exchanging(SASLExchange, user: String?)
        case authenticating
        /// The client was told what is wrong with its token: whatever it says to that, then it is refused.
        case dismissing
        case transaction
        case retrieving
        case updating(marked: Int)
        case ended
    }

    var state = State.authorization(user: nil)
    /// What is offered in this session. To be set before the first command comes.
    public var offer = POP3Offer()
    /// Whether the client asked for messages in UTF-8 (RFC 6856 §2): each server has to be asked before its login.
    public internal(set) var wantsUTF8 = false
    /// Empty until a maildrop is open. Not in the state enum, so that marks are changed in place.
    private var transaction = Transaction([])
    private var tls: TLS
    private var badCommands = 0
    var failedLogins = 0

    public init(tls: TLS = .unavailable) {
        self.tls = tls
    }

    /// Whether a maildrop is open.
    public var isInTransaction: Bool {
        switch state {
        case .transaction, .retrieving: true
        case .authorization, .exchanging, .authenticating, .dismissing, .updating, .ended: false
        }
    }

    /// The greeting (RFC 1939 §4). No timestamp in it: APOP is not offered.
    public func greet(reply: inout ByteBuffer) {
        reply.writeOK("Covey ready.")
    }

    /// Takes one command line, or one line of an exchange.
    public mutating func receive(_ line: POP3CommandLineDecoder.Line, reply: inout ByteBuffer) -> Action {
        if isInExchange { return receiveMessage(line, reply: &reply) }
        do throws(POP3CommandError) {
            switch line {
            case .tooLong: throw .lineTooLong
            case .complete(let octets): return receive(try POP3Command.parse(octets), reply: &reply)
            }
        } catch {
            return refuse("\(error)", reply: &reply)
        }
    }

    /// The maildrop is open; its order and numbers stay for the session.
    public mutating func loggedIn(_ messages: [Message], reply: inout ByteBuffer) -> Action {
        guard case .authenticating = state else { preconditionFailure("no login was asked for") }
        transaction = Transaction(messages)
        state = .transaction
        reply.writeOK("Logged in.")
        return .proceed
    }

    /// The message can be had: its status line goes out. `octets` is nil for TOP.
    public mutating func retrievalBegins(octets: Int?, reply: inout ByteBuffer) {
        guard case .retrieving = state else { preconditionFailure("no message was asked for") }
        reply.writeOK(octets.map { "\($0) octets" } ?? "Header and lines follow.")
    }

    public mutating func retrievalEnds(_ end: RetrievalEnd, reply: inout ByteBuffer) -> Action {
        guard case .retrieving = state else { preconditionFailure("no message was asked for") }
        state = .transaction
        switch end {
        case .complete: reply.writeString(".\r\n")
        case .impossible: reply.writeError("[SYS/TEMP] This message cannot be read now, try again later.")
        case .brokenOff: return self.end()
        }
        return .proceed
    }

    /// QUIT is done. `complete`: every marked message is gone or its removal is on record.
    public mutating func updated(complete: Bool, reply: inout ByteBuffer) -> Action {
        guard case .updating(let marked) = state else { preconditionFailure("no update was asked for") }
        if !complete {
            // RFC 1939 §6: some deleted messages not removed.
            reply.writeError("[SYS/TEMP] some deleted messages not removed")
        } else if marked > 0 {
            reply.writeOK("Logging out, messages deleted.")
        } else {
            reply.writeOK("Logging out.")
        }
        return end()
    }

    /// The client was silent for too long (RFC 1939 §3): the session ends and removes nothing.
    public mutating func timedOut(reply: inout ByteBuffer) -> Action {
        reply.writeError("Disconnected for inactivity.")
        return end()
    }

    mutating func end() -> Action {
        state = .ended
        return .end
    }

    private mutating func startTLS(reply: inout ByteBuffer) -> Action {
        switch tls {
        case .unavailable: return refuse("TLS is not available here.", reply: &reply)
        case .active: return refuse("Command not permitted when TLS active.", reply: &reply)  // RFC 2595 §4
        case .offered:
            tls = .active
            // RFC 2595 §4: nothing that was said in clear counts any more.
            state = .authorization(user: nil)
            wantsUTF8 = false
            reply.writeOK("Begin TLS negotiation.")
            return .startTLS
        }
    }

    mutating func refuse(_ text: String, reply: inout ByteBuffer) -> Action {
        badCommands += 1
        guard badCommands < POP3Limits.badCommands else {
            reply.writeError("Too many bad commands.")
            return end()
        }
        reply.writeError(text)
        return .proceed
    }

    private mutating func receive(_ command: POP3Command, reply: inout ByteBuffer) -> Action {
        switch (command, state) {
        case (.capa, _):
            // RFC 2449 §5, the same before and after login (facts 22).
            reply.writeOK("Capabilities follow.")
            reply.writeLines(offer.capabilities + (tls == .offered ? ["STLS"] : []))
            return .proceed
        case (.auth(let mechanism, let response), .authorization(let user)):
            return authenticate(mechanism, response, user: user, reply: &reply)
        case (.utf8, .authorization):
            return enterUTF8(reply: &reply)
        case (.lang(let tag), .authorization), (.lang(let tag), .transaction):
            return speak(tag, reply: &reply)
        case (.stls, .authorization):
            return startTLS(reply: &reply)
        case (.user(let name), .authorization):
            state = .authorization(user: name)
            reply.writeOK()
            return .proceed
        case (.pass(let password), .authorization(let user)):
            guard let user else { return refuse("No username given.", reply: &reply) }
            state = .authenticating
            return .logIn(.password(user: user, password))
        case (.quit, .authorization):
            reply.writeOK("Logging out.")
            return end()
        case (.noop, .authorization):
            reply.writeOK()
            return .proceed
        case (.user, .transaction), (.pass, .transaction), (.auth, .transaction), (.utf8, .transaction):
            return refuse("Already logged in.", reply: &reply)
        case (_, .transaction):
            switch transaction.receive(command, reply: &reply) {
            case .done: return .proceed
            case .refused(let text): return refuse(text, reply: &reply)
            case .retrieve(let index, let lines):
                state = .retrieving
                return .retrieve(index, lines: lines)
            case .quit(let marked):
                state = .updating(marked: marked.count)
                return .update(marked)
            }
        case (_, .authorization):
            return refuse("Log in first.", reply: &reply)
        case (_, .exchanging), (_, .dismissing):
            preconditionFailure("what comes in an exchange is no command")
        case (_, .authenticating), (_, .retrieving), (_, .updating), (_, .ended):
            preconditionFailure("commands wait while one is under way")
        }
    }
}
