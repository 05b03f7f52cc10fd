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
        case logIn(user: String, password: POP3Password)
        /// Send the message with this index (from 0), or its header and `lines` lines; then `retrievalBegins`,
        /// `retrievalEnds`.
        case retrieve(Int, lines: Int?)
        /// Remove the messages with these indices for good; then `updated`.
        case update([Int])
    }

    public enum LoginFailure: Equatable, Sendable {
        /// The credentials are wrong.
        case refused
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

    private enum State: Sendable {
        case authorization(user: String?)
        case authenticating
        case transaction
        case retrieving
        case updating(marked: Int)
        case ended
    }

    private var state = State.authorization(user: nil)
    /// Empty until a maildrop is open. Not in the state enum, so that marks are changed in place.
    private var transaction = Transaction([])
    private var tls: TLS
    private var badCommands = 0
    private var failedLogins = 0

    public init(tls: TLS = .unavailable) {
        self.tls = tls
    }

    /// Whether a maildrop is open.
    public var isInTransaction: Bool {
        switch state {
        case .transaction, .retrieving: true
        case .authorization, .authenticating, .updating, .ended: false
        }
    }

    /// The greeting (RFC 1939 §4). No timestamp in it: APOP is not offered.
    public func greet(reply: inout ByteBuffer) {
        reply.writeOK("Covey ready.")
    }

    /// Takes one command line.
    public mutating func receive(_ line: POP3CommandLineDecoder.Line, reply: inout ByteBuffer) -> Action {
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

    public mutating func loginFailed(_ failure: LoginFailure, reply: inout ByteBuffer) -> Action {
        guard case .authenticating = state else { preconditionFailure("no login was asked for") }
        state = .authorization(user: nil)
        switch failure {
        case .refused:
            reply.writeError("[AUTH] Authentication failed.")  // RFC 3206 §4
            failedLogins += 1
        case .unavailable:
            reply.writeError("[SYS/TEMP] No mailbox server can be reached, try again later.")  // RFC 3206 §4
            failedLogins += 1
        case .tooManyFailures:
            // Not AUTH (RFC 3206 §5): the password may well be right.
            reply.writeError("[SYS/TEMP] Too many failed logins from your address, try again later.")
            failedLogins += 1
        }
        return failedLogins < POP3Limits.failedLogins ? .proceed : end()
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

    private mutating func end() -> Action {
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
            reply.writeOK("Begin TLS negotiation.")
            return .startTLS
        }
    }

    private mutating func refuse(_ text: String, reply: inout ByteBuffer) -> Action {
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
            POP3Session.writeCapabilities(to: &reply, also: tls == .offered ? ["STLS"] : [])
            return .proceed
        case (.stls, .authorization):
            return startTLS(reply: &reply)
        case (.auth(nil), .authorization):
            // The list of SASL mechanisms, which is empty so far.
            reply.writeString("+OK\r\n.\r\n")
            return .proceed
        case (.auth, .authorization):
            return refuse("Unsupported authentication mechanism.", reply: &reply)
        case (.user(let name), .authorization):
            state = .authorization(user: name)
            reply.writeOK()
            return .proceed
        case (.pass(let password), .authorization(let user)):
            guard let user else { return refuse("No username given.", reply: &reply) }
            state = .authenticating
            return .logIn(user: user, password: password)
        case (.quit, .authorization):
            reply.writeOK("Logging out.")
            return end()
        case (.noop, .authorization):
            reply.writeOK()
            return .proceed
        case (.user, .transaction), (.pass, .transaction), (.auth, .transaction):
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
        case (_, .authenticating), (_, .retrieving), (_, .updating), (_, .ended):
            preconditionFailure("commands wait while one is under way")
        }
    }

    /// RFC 2449 §5, the same before and after login (facts 22).
    private static func writeCapabilities(to reply: inout ByteBuffer, also more: [String]) {
        reply.writeOK("Capabilities follow.")
        for capability in capabilities + more {
            reply.writeString(capability)
            reply.writeString("\r\n")
        }
        reply.writeString(".\r\n")
    }

    public static let capabilities = [
        "TOP", "UIDL", "USER", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER", "IMPLEMENTATION Covey",
    ]
}
