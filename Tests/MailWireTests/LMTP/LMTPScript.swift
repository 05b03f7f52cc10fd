import Testing

@testable import MailWire

/// One transaction as a table: what happens to the client, and what it does then.
struct LMTPScript: Sendable, CustomTestStringConvertible {
    var name: String
    /// What the server offers.
    var offers = ["PIPELINING", "CHUNKING", "8BITMIME"]
    var dialect = LMTPClientState.Dialect.lmtp
    var recipients = ["a@x", "b@x"]
    var sender = "s@y"
    var bodyType: String?
    var isProbe = false
    var client: SendingClient?
    var pipelineMessage = true
    /// Event and action in turn, after the first action. Events: a reply, "sent", "lost". Actions: see `text(of:)`.
    var first: String
    var steps: [(event: String, action: String)]

    var testDescription: String { name }

    /// A client that has said hello to such a server.
    func idleClient() -> LMTPClientState {
        var state = LMTPClientState(dialect: dialect, heloName: "hub.example")
        _ = state.received(SMTPReply(code: 220, lines: ["ready"]))
        _ = state.received(SMTPReply(code: 250, lines: ["server"] + offers))
        return state
    }

    func begin(_ state: inout LMTPClientState) -> LMTPClientState.Action {
        let envelope = Envelope(sender: sender, bodyType: bodyType, recipients: recipients, client: client)
        return isProbe
            ? state.beginProbe(envelope)
            : state.begin(envelope, messageLength: 100, pipelineMessage: pipelineMessage)
    }

    static func happen(_ event: String, to state: inout LMTPClientState) -> LMTPClientState.Action {
        switch event {
        case "sent": state.messageSent()
        case "lost": state.failed("lost")
        default:
            state.received(SMTPReply(code: Int(event.prefix(3)) ?? 0, lines: [String(event.dropFirst(4))]))
        }
    }

    /// `wait`, `ready`, `> A|B` for lines sent, `> A|B + counted` for lines sent with the message, `fail`, and
    /// `end: outcomes` with `keep` or `close`.
    static func text(of action: LMTPClientState.Action) -> String {
        switch action {
        case .wait: "wait"
        case .becomeReady: "ready"
        case .send(let text): "> " + lines(text)
        case .sendMessage(let prefix, let framing): "> " + lines(prefix) + " + \(framing)"
        case .fail: "fail"
        case .finish(let outcomes, let reusable):
            "end: " + outcomes.map(text(of:)).joined(separator: ", ") + (reusable ? "; keep" : "; close")
        }
    }

    static func text(of outcome: RecipientOutcome) -> String {
        switch outcome {
        case .accepted(let reply): "accepted \(reply.code)"
        case .refused(let reply, let stage): "refused \(reply.code) \(stage)"
        case .unreachable: "unreachable"
        case .unknown: "unknown"
        }
    }

    private static func lines(_ text: String) -> String {
        // Every line ends in CRLF, or the peer would wait for the rest.
        text.isEmpty
            ? "" : text.hasSuffix("\r\n") ? String(text.dropLast()).replacing("\r\n", with: "|") : "UNENDED " + text
    }
}
