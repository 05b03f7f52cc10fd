public import CoveyCore
public import MailWire

/// Delivers to all mailbox servers at once and gathers what each said.
public struct FanOut: Sendable {
    /// One per server, in configuration order.
    public let destinations: [any CopyDestination]

    public init(_ destinations: [any CopyDestination]) {
        self.destinations = destinations
    }

    /// What one server answered, and how long it took.
    public struct Answer: Sendable {
        public var server: String
        /// One per envelope recipient, in their order.
        public var outcomes: [RecipientOutcome]
        public var time: Duration
    }

    /// One answer per server, in configuration order.
    public func deliver(_ message: OutgoingMessage, to envelope: Envelope) async -> [Answer] {
        await ask { await $0.deliver(message, to: envelope) }
    }

    /// Asks all servers whether they would take mail for one recipient.
    ///
    /// - Returns: nil as soon as one would, whatever the others are still up to; else all verdicts, in configuration
    ///   order. A server that hangs costs a known recipient nothing.
    public func refusals(of recipient: String) async -> [CopyVerdict]? {
        let envelope = Envelope(sender: "", recipients: [recipient])
        let (answers, continuation) = AsyncStream<(Int, CopyVerdict)>.makeStream()
        for (place, destination) in destinations.enumerated() {
            Task { continuation.yield((place, CopyVerdict(await destination.probe(envelope)[0]))) }
        }
        var verdicts: [CopyVerdict?] = Array(repeating: nil, count: destinations.count)
        for await (place, verdict) in answers {
            if verdict == .stored { return nil }
            verdicts[place] = verdict
            let all = verdicts.compactMap { $0 }
            if all.count == destinations.count { return all }
        }
        return verdicts.compactMap { $0 }
    }

    private func ask(
        _ question: @escaping @Sendable (any CopyDestination) async -> [RecipientOutcome]
    ) async -> [Answer] {
        await withTaskGroup(of: (Int, Answer).self) { group in
            for (place, destination) in destinations.enumerated() {
                group.addTask {
                    let clock = ContinuousClock()
                    let start = clock.now
                    let outcomes = await question(destination)
                    return (
                        place, Answer(server: destination.name, outcomes: outcomes, time: start.duration(to: clock.now))
                    )
                }
            }
            var answers: [Answer?] = Array(repeating: nil, count: destinations.count)
            for await (place, answer) in group { answers[place] = answer }
            return answers.compactMap { $0 }
        }
    }

    /// The verdicts on one envelope recipient, one per server.
    public static func verdicts(_ answers: [Answer], recipient: Int) -> [CopyVerdict] {
        answers.map { CopyVerdict($0.outcomes[recipient]) }
    }
}

extension CopyVerdict {
    /// What an LMTP server's outcome means for the decision.
    public init(_ outcome: RecipientOutcome) {
        switch outcome {
        case .accepted: self = .stored
        case .unreachable(let reason): self = .noAnswer(reason)
        case .unknown(let reason): self = .fateUnknown(reason)
        case .refused(let reply, let stage):
            let text = ReplyText(
                code: reply.code,
                enhanced: (reply.enhancedStatus ?? EnhancedStatus(reply.code / 100, 0, 0)).description,
                text: reply.text)
            let isAboutServer = stage == .connect || (stage == .mail && !reply.refusesMessage)
            if !reply.isPermanentFailure || isAboutServer {
                self = .refusedForNow(text)
            } else if stage == .recipient, reply.enhancedStatus == .unknownUser {
                self = .unknownUser(text)
            } else {
                self = .refusedForGood(text)
            }
        }
    }

    /// A few words for the log line.
    public var logText: String {
        switch self {
        case .stored: "stored"
        case .unknownUser: "unknown-user"
        case .refusedForGood(let reply): "refused (\(reply.code) \(reply.enhanced) \(reply.text))"
        case .refusedForNow(let reply): "deferred (\(reply.code) \(reply.enhanced) \(reply.text))"
        case .noAnswer(let reason): "no-answer (\(reason))"
        case .fateUnknown(let reason): "fate-unknown (\(reason))"
        }
    }
}

extension SMTPReply {
    /// Whether a refusal at MAIL is about the message: its size (RFC 1870 §6.1) or its sender's address (RFC 3463 §3.2).
    /// Any other 5xx there, and each one at the connection, says that the server is set up wrongly, and for that no mail
    /// shall bounce.
    fileprivate var refusesMessage: Bool {
        code == 552 || enhancedStatus == EnhancedStatus(5, 1, 7) || enhancedStatus == EnhancedStatus(5, 1, 8)
    }
}
