import CoveyCore
import Logging
import MailWire
import NIOCore
import Synchronization

@testable import Replication

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

extension SMTPReply {
    static let ok = SMTPReply(code: 250, lines: ["2.0.0 saved"])
    static let unknownUser = SMTPReply(code: 550, lines: ["5.1.1 no such user"])
    static let full = SMTPReply(code: 552, lines: ["5.2.2 mailbox full"])
    static let busy = SMTPReply(code: 451, lines: ["4.3.0 busy"])
}

extension RecipientOutcome {
    static let stored = RecipientOutcome.accepted(.ok)
    static let unknownUser = RecipientOutcome.refused(.unknownUser, .recipient)
    static let full = RecipientOutcome.refused(.full, .data)
    static let busy = RecipientOutcome.refused(.busy, .recipient)
    static let down = RecipientOutcome.unreachable("connection refused")
    static let lost = RecipientOutcome.unknown("closed after the final dot")
}

/// A mailbox server that answers as it is told.
final class StubDestination: CopyDestination {
    struct State {
        var outcome: RecipientOutcome
        var deliveries: [Envelope] = []
        var probes: [Envelope] = []
    }

    let name: String
    private let delay: Duration
    private let gate: @Sendable () -> Bool
    private let state: Mutex<State>

    /// - Parameter gate: no answer before this is true.
    init(
        _ name: String, _ outcome: RecipientOutcome = .stored, delay: Duration = .zero,
        gate: @escaping @Sendable () -> Bool = { true }
    ) {
        self.name = name
        self.gate = gate
        self.delay = delay
        state = Mutex(State(outcome: outcome))
    }

    /// What is answered from now on.
    func become(_ outcome: RecipientOutcome) { state.withLock { $0.outcome = outcome } }
    var deliveries: [Envelope] { state.withLock { $0.deliveries } }
    var probes: [Envelope] { state.withLock { $0.probes } }

    func deliver(_ message: OutgoingMessage, to envelope: Envelope) async -> [RecipientOutcome] {
        state.withLock { $0.deliveries.append(envelope) }
        return await answer(envelope)
    }

    func probe(_ envelope: Envelope) async -> [RecipientOutcome] {
        state.withLock { $0.probes.append(envelope) }
        return await answer(envelope)
    }

    private func answer(_ envelope: Envelope) async -> [RecipientOutcome] {
        guard await eventually(gate) else { return envelope.recipients.map { _ in .unreachable("gate") } }
        if delay > .zero { try? await Task.sleep(for: delay) }
        return state.withLock { state in envelope.recipients.map { _ in state.outcome } }
    }
}

extension OutgoingMessage {
    static let small = OutgoingMessage(
        header: ByteBuffer(string: "Subject: x\r\n\r\n"), body: BufferedBody(ByteBuffer(string: "x\r\n")))
}

/// A clock that is set by hand.
final class HandClock: Sendable {
    private let instant = Mutex(ContinuousClock.now)

    var now: ContinuousClock.Instant { instant.withLock { $0 } }
    func advance(_ duration: Duration) { instant.withLock { $0 += duration } }
}

/// Waits until the condition holds; false after ten seconds.
func eventually(_ condition: () -> Bool) async -> Bool {
    for _ in 0..<2000 {
        if condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return condition()
}
