public import NIOCore

/// Logging in: the SASL exchange of RFC 5034, its end, and what may be asked for before it.
extension POP3Session {
    /// Whether the client's next line is a message of its SASL exchange, and not a command.
    public var isInExchange: Bool {
        switch state {
        case .exchanging, .dismissing: true
        case .authorization, .authenticating, .transaction, .retrieving, .updating, .ended: false
        }
    }

    public mutating func loginFailed(_ failure: LoginFailure, reply: inout ByteBuffer) -> Action {
        guard case .authenticating = state else { preconditionFailure("no login was asked for") }
        state = .authorization(user: nil)
        switch failure {
        case .refused(let challenge?):
            // RFC 7628 §3.2.2: the client learns what is wrong with its token, and answers before it is refused.
            state = .dismissing
            reply.writeChallenge(challenge)
            return .proceed
        case .refused(nil): return refuseLogin(reply: &reply)
        case .unavailable:
            reply.writeError("[SYS/TEMP] No mailbox server can be reached, try again later.")  // RFC 3206 §4
            return countFailedLogin()
        case .tooManyFailures:
            // Not AUTH (RFC 3206 §5): the password may well be right.
            reply.writeError("[SYS/TEMP] Too many failed logins from your address, try again later.")
            return countFailedLogin()
        }
    }

    private mutating func refuseLogin(reply: inout ByteBuffer) -> Action {
        reply.writeError("[AUTH] Authentication failed.")  // RFC 3206 §4
        return countFailedLogin()
    }

    private mutating func countFailedLogin() -> Action {
        failedLogins += 1
        return failedLogins < POP3Limits.failedLogins ? .proceed : end()
    }

    mutating func authenticate(
        _ name: String?, _ response: POP3Password?, user: String?, reply: inout ByteBuffer
    ) -> Action {
        guard let name else {
            // Of no RFC any more, and what Outlook sends (facts 22).
            reply.writeOK("SASL mechanisms follow.")
            reply.writeLines(offer.mechanisms.map(\.rawValue))
            return .proceed
        }
        guard let mechanism = SASLMechanism(rawValue: name), offer.mechanisms.contains(mechanism) else {
            return refuse("Unsupported authentication mechanism.", reply: &reply)
        }
        let exchange = SASLExchange(mechanism)
        guard let response else {
            state = .exchanging(exchange, user: user)
            reply.writeChallenge(exchange.firstChallenge)
            return .proceed
        }
        // RFC 5034 §4: an initial response that is empty is sent as a single "=".
        let octets = response.octets.elementsEqual([UInt8(ascii: "=")]) ? [] : Base64.decode(response.octets)
        return take(octets, in: exchange, user: user, reply: &reply)
    }

    /// Takes the client's line in an exchange.
    mutating func receiveMessage(_ line: POP3CommandLineDecoder.Line, reply: inout ByteBuffer) -> Action {
        guard case .exchanging(let exchange, let user) = state else {
            // RFC 7628 §3.2.3: a control-A in base 64, or "*"; it makes no difference.
            state = .authorization(user: nil)
            return refuseLogin(reply: &reply)
        }
        state = .authorization(user: user)
        guard case .complete(let octets) = line else {
            return refuse("\(POP3CommandError.lineTooLong)", reply: &reply)
        }
        // RFC 5034 §4: with a single "*" the client cancels.
        guard !octets.readableBytesView.elementsEqual([UInt8(ascii: "*")]) else {
            return refuse("Authentication cancelled.", reply: &reply)
        }
        return take(Base64.decode(octets.readableBytesView), in: exchange, user: user, reply: &reply)
    }

    /// - Parameter message: nil: it was not base 64.
    private mutating func take(
        _ message: [UInt8]?, in exchange: SASLExchange, user: String?, reply: inout ByteBuffer
    ) -> Action {
        // RFC 5034 §4: what cannot be decoded ends the exchange.
        guard let message else { return refuse("Invalid base64 data.", reply: &reply) }
        var exchange = exchange
        switch exchange.receive(message) {
        case .challenge(let octets):
            state = .exchanging(exchange, user: user)
            reply.writeChallenge(octets)
            return .proceed
        case .credentials(let credentials):
            state = .authenticating
            return .logIn(credentials)
        case .malformed:
            return refuse("Not a message of \(exchange.mechanism) that can be used here.", reply: &reply)
        }
    }

    /// RFC 6856 §2: UTF8, before login alone.
    mutating func enterUTF8(reply: inout ByteBuffer) -> Action {
        guard offer.utf8 else { return refuse("Not all mailbox servers can do that.", reply: &reply) }
        wantsUTF8 = true
        reply.writeOK("UTF-8 from now on.")
        return .proceed
    }

    /// RFC 6856 §3: there is one language, and `*` is the server's choice.
    mutating func speak(_ tag: String?, reply: inout ByteBuffer) -> Action {
        switch tag {
        case nil:
            reply.writeOK("Languages follow.")
            reply.writeLines(["en English"])
        case "en", "*", "i-default": reply.writeOK("en Replies are in English.")
        case .some: return refuse("That language is not spoken here.", reply: &reply)
        }
        return .proceed
    }
}

extension ByteBuffer {
    /// RFC 5034 §4: `+`, a space and the challenge in base 64, which may be empty.
    fileprivate mutating func writeChallenge(_ octets: [UInt8]) {
        writeString("+ ")
        writeBytes(Base64.encode(octets))
        writeString("\r\n")
    }
}
