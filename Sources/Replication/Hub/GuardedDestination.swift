public import Logging
public import MailWire
import Synchronization

/// A mailbox server behind a circuit breaker: while it is down nobody waits for it.
///
/// The first delivery that gets no answer opens the breaker. From then on deliveries are told at once that the server
/// is down, and a probe in the background asks for it until it answers; then the breaker closes and `onReturn` runs,
/// which is the moment to flush the MTA's queue for that server.
///
/// A server that nobody delivers to is asked now and then as well: monitoring shall not wait for mail to find out, nor the
/// first sender.
public final class GuardedDestination: CopyDestination {
    /// Between two probes: soon at first, because most outages are a restart, then seldom.
    public static let probeIntervals: [Duration] = [.seconds(1), .seconds(1), .seconds(2), .seconds(3), .seconds(5)]

    /// Between two looks at a server that nobody has asked meanwhile. Longer than connections are kept, so that a
    /// look holds none open.
    public static let idleInterval = Duration.seconds(20)

    private enum State {
        /// Whether it has answered since the last look.
        case up(hasAnswered: Bool)
        /// The reason of the first failure.
        case down(String)
    }

    public var name: String { destination.name }
    private let destination: any CopyDestination
    private let probeEnvelope: Envelope
    private let logger: Logger
    private let onReturn: @Sendable () async -> Void
    private let intervals: [Duration]
    private let idleInterval: Duration
    private let state = Mutex(State.up(hasAnswered: false))
    private let retired = Mutex(false)

    /// - Parameters:
    ///   - probeRecipient: a mailbox that the server should know; any answer at all counts as one.
    ///   - intervals: between two probes of a server that is down; the last one is repeated.
    ///   - idleInterval: between two looks at one that is up and that nobody asks.
    ///   - onReturn: runs once each time the server answers again after it did not, and after a start.
    public init(
        _ destination: any CopyDestination, probeRecipient: String, logger: Logger,
        intervals: [Duration] = probeIntervals, idleInterval: Duration = idleInterval,
        onReturn: @escaping @Sendable () async -> Void
    ) {
        self.destination = destination
        probeEnvelope = Envelope(sender: "", recipients: [probeRecipient])
        self.logger = logger
        self.intervals = intervals
        self.idleInterval = idleInterval
        self.onReturn = onReturn
    }

    public var isUp: Bool { downReason == nil }

    /// Asks once in the background, as after a start: the queue may hold copies from before for a server that is up.
    /// From then on it is looked after, until it is retired.
    public func start() {
        Task {
            switch await destination.probe(probeEnvelope)[0] {
            case .accepted, .refused: if !isRetired { await onReturn() }
            case .unreachable(let reason), .unknown(let reason): open(reason: reason)
            }
        }
        Task { await lookWhileIdle() }
    }

    private func lookWhileIdle() async {
        while !isRetired {
            try? await Task.sleep(for: idleInterval)
            let isIdle = state.withLock { state in
                guard case .up(let hasAnswered) = state else { return false }
                state = .up(hasAnswered: false)
                return !hasAnswered
            }
            guard isIdle, !isRetired else { continue }
            _ = await guarded(probeEnvelope) { await $0.probe(probeEnvelope) }
            // What this look heard shall not pass for a delivery's answer at the next one.
            state.withLock { if case .up = $0 { $0 = .up(hasAnswered: false) } }
        }
    }

    /// Another destination has taken this one's place: its server is asked no more in the background, and no queue is
    /// flushed when it returns. Deliveries under way go on.
    public func retire() {
        retired.withLock { $0 = true }
    }

    private var isRetired: Bool { retired.withLock { $0 } }

    public func deliver(_ message: OutgoingMessage, to envelope: Envelope) async -> [RecipientOutcome] {
        await guarded(envelope) { await $0.deliver(message, to: envelope) }
    }

    public func probe(_ envelope: Envelope) async -> [RecipientOutcome] {
        await guarded(envelope) { await $0.probe(envelope) }
    }

    private func guarded(
        _ envelope: Envelope, _ ask: (any CopyDestination) async -> [RecipientOutcome]
    ) async -> [RecipientOutcome] {
        if let reason = downReason {
            return envelope.recipients.map { _ in .unreachable("down: \(reason)") }
        }
        let outcomes = await ask(destination)
        for outcome in outcomes {
            switch outcome {
            case .unreachable(let reason), .unknown(let reason): open(reason: reason)
            case .accepted, .refused: continue
            }
            return outcomes
        }
        state.withLock { if case .up = $0 { $0 = .up(hasAnswered: true) } }
        return outcomes
    }

    /// Why the server is down; nil while it is up.
    public var downReason: String? {
        state.withLock { if case .down(let reason) = $0 { reason } else { nil } }
    }

    private func open(reason: String) {
        let wasUp = state.withLock { state in
            guard case .up = state else { return false }
            state = .down(reason)
            return true
        }
        guard wasUp else { return }
        logger.warning("server down", metadata: ["server": "\(name)", "reason": "\(reason)"])
        Task { await probeUntilBack() }
    }

    private func probeUntilBack() async {
        var attempt = 0
        while !isRetired {
            let outcome = await destination.probe(probeEnvelope)[0]
            switch outcome {
            case .accepted, .refused:
                guard !isRetired else { return }
                state.withLock { $0 = .up(hasAnswered: true) }
                logger.notice("server up", metadata: ["server": "\(name)"])
                await onReturn()
                return
            case .unreachable(let reason), .unknown(let reason):
                logger.debug("server still down", metadata: ["server": "\(name)", "reason": "\(reason)"])
            }
            try? await Task.sleep(for: intervals[min(attempt, intervals.count - 1)])
            attempt += 1
        }
    }
}
