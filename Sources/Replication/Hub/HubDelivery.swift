public import CoveyCore
public import MailWire

/// Delivers one message from a hub to all mailbox servers and decides what the MTA is told (design §4.1, §4.3).
public struct HubDelivery: Sendable {
    public enum Door: String, Sendable { case front, back }

    private let fanOut: FanOut
    private let minimum: ClusterConfiguration.Milter.MinCopies

    public init(fanOut: FanOut, minimum: ClusterConfiguration.Milter.MinCopies) {
        self.fanOut = fanOut
        self.minimum = minimum
    }

    /// What came of it.
    public struct Report: Sendable {
        public var decision: MessageDecision
        /// Of the recipients, in their order.
        public var dispositions: [RecipientDisposition]
        /// Of the servers, in configuration order.
        public var answers: [FanOut.Answer]
    }

    /// - Parameters:
    ///   - client: who brought the message to the MTA.
    ///   - recipients: mailboxes to deliver to, each once, at least one.
    ///   - hasOthers: whether the message has recipients that are no concern of this delivery.
    ///   - mayDiscard: see `MessageDecision.frontDoor`.
    public func deliver(
        _ message: OutgoingMessage, sender: String, bodyType: String?, client: SendingClient? = nil,
        recipients: [MailboxAddress], door: Door, hasOthers: Bool, mayDiscard: Bool
    ) async -> Report {
        let envelope = Envelope(sender: sender, bodyType: bodyType, recipients: recipients.map(\.text), client: client)
        let answers = await fanOut.deliver(message, to: envelope)
        let dispositions = recipients.indices.map { place in
            RecipientDisposition(verdicts: FanOut.verdicts(answers, recipient: place), minimum: minimum)
        }
        let decision =
            switch door {
            case .front:
                MessageDecision.frontDoor(dispositions, hasOthers: hasOthers, mayDiscard: mayDiscard)
            case .back:
                MessageDecision.backDoor(dispositions, mayDiscard: mayDiscard)
            }
        return Report(decision: decision, dispositions: dispositions, answers: answers)
    }
}
