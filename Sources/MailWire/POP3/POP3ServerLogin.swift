public import NIOCore

/// Logs one user in at one mailbox server: what to say next, given what the server said.
///
/// Pure. One command at a time: Dovecot answers commands that are pipelined before login in several small writes, and
/// with Nagle's algorithm there and delayed acknowledgements here that costs 40 ms.
public struct POP3ServerLogin: Sendable {
    public enum Step: Equatable, Sendable {
        case send(POP3BackendCommand)
        /// One line of an exchange that is under way.
        case respond(POP3Password)
        case accepted
        /// The server refuses the credentials: its words, and what it told about a token (RFC 7628 §3.2.2).
        case refused(String, challenge: [UInt8]?)
        /// The server cannot be used for this login; with the reason.
        case leftOut(String)
    }

    /// Longest AUTH command, octets with CRLF: a longer message waits for the server's challenge (RFC 5034 §4).
    private static let longestCommand = 255

    private enum State: Sendable {
        case xclient, capabilities, utf8, user, password
        /// `isSaid`: the mechanism's message has been sent.
        case exchange(isSaid: Bool)
        case ended
    }

    private let credentials: POP3Credentials
    private let client: (address: String, port: Int)?
    private let wantsUTF8: Bool
    private var state = State.xclient
    private var challenge: [UInt8]?

    /// What the server lists; empty before it was asked.
    public private(set) var capabilities = POP3ServerCapabilities()
    /// Whether the server lets itself be told the client's address (facts 19, 44).
    public private(set) var takesXCLIENT = false
    /// Whether the server was sent the password or token.
    public private(set) var hasShownCredentials = false

    /// - Parameters:
    ///   - credentials: for the user's mailbox address.
    ///   - client: the mail program's address, if it is known.
    public init(credentials: POP3Credentials, client: (address: String, port: Int)?, wantsUTF8: Bool) {
        self.credentials = credentials
        self.client = client
        self.wantsUTF8 = wantsUTF8
    }

    /// - Parameter greeting: an `+OK`.
    public mutating func start(greeting: POP3Status) -> Step {
        // Facts 19: a Dovecot that trusts us shows it in the banner; another takes XCLIENT for nothing.
        takesXCLIENT = greeting.code?.hasPrefix("XCLIENT") ?? false
        if takesXCLIENT, let client {
            state = .xclient
            return .send(.xclient(address: client.address, port: client.port))
        }
        return askCapabilities()
    }

    private mutating func askCapabilities() -> Step {
        state = .capabilities
        return .send(.capa)
    }

    /// The answer to CAPA: its lines, none where the server does not know the command.
    public mutating func received(capabilities lines: [String]) -> Step {
        guard case .capabilities = state else { preconditionFailure("CAPA was not asked for") }
        capabilities = POP3ServerCapabilities(lines: lines)
        guard wantsUTF8 else { return showCredentials() }
        state = .utf8
        return .send(.utf8)
    }

    /// A status line; a refused CAPA's is not one of them.
    public mutating func received(_ status: POP3Status) -> Step {
        switch state {
        case .xclient:
            // A refusal of XCLIENT is no reason to lock the user out.
            if !status.isOK { takesXCLIENT = false }
            return askCapabilities()
        case .utf8:
            // Its copies would differ from the others'.
            return status.isOK ? showCredentials() : end(.leftOut("UTF8: \(status.words)"))
        case .user where status.isOK:
            guard case .password(_, let password) = credentials else { preconditionFailure("USER is for passwords") }
            state = .password
            hasShownCredentials = true
            return .send(.pass(password))
        case .exchange(isSaid: false) where status.isOK:
            return end(.leftOut("AUTH: accepted before anything was shown"))
        case .password where status.isOK, .exchange where status.isOK: return end(.accepted)
        case .user, .password, .exchange:
            if status.isTemporary { return end(.leftOut(status.words)) }
            return end(.refused(status.words, challenge: challenge))
        case .capabilities, .ended: preconditionFailure("nothing was asked that has such an answer")
        }
    }

    /// A challenge of the exchange, in base 64.
    public mutating func received(challenge text: ByteBuffer) -> Step {
        guard case .exchange(let isSaid) = state else { preconditionFailure("no exchange is under way") }
        guard isSaid else {
            state = .exchange(isSaid: true)
            hasShownCredentials = true
            return .respond(credentials.message)
        }
        // Nothing of PLAIN's is left to be said; of a token a server may still say what is wrong with it, once.
        guard case .token(let mechanism, _, _) = credentials, challenge == nil,
            let octets = Base64.decode(text.readableBytesView)
        else { return end(.leftOut("AUTH: a challenge that nothing can be said to")) }
        challenge = octets
        return .respond(POP3Password(octets: Base64.encode(mechanism.dismissal)))
    }

    private mutating func showCredentials() -> Step {
        let mechanism = credentials.mechanism
        if capabilities.offers(mechanism) {
            let message = credentials.message
            let length = "AUTH \(mechanism.rawValue) \r\n".utf8.count + message.octets.count
            let fits = length <= POP3ServerLogin.longestCommand
            state = .exchange(isSaid: fits)
            hasShownCredentials = fits
            return .send(.auth(mechanism, initialResponse: fits ? message : nil))
        }
        switch credentials {
        case .password(let user, _):
            state = .user
            return .send(.user(user))
        case .token(let mechanism, _, _):
            return end(.leftOut("it does not offer \(mechanism.rawValue)"))
        }
    }

    private mutating func end(_ step: Step) -> Step {
        state = .ended
        return step
    }
}

extension POP3Status {
    /// What the server said, code included.
    public var words: String { code.map { "[\($0)] \(text)" } ?? text }
}
