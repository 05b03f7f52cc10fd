import MailWire
import NIOCore

/// What a pool was asked to do, and the promise that it comes back exactly once, in bounded time.
///
/// Used on its event loop only.
final class LMTPOrder {
    let work: LMTPConnection.Job.Work
    let envelope: Envelope
    /// The connection on which it runs, while it does.
    var connection: LMTPConnection?
    /// Whether a connection is being opened for it.
    var isConnecting = false
    private var completion: (([RecipientOutcome]) -> Void)?
    private var timers: [Scheduled<Void>] = []

    init(
        _ work: LMTPConnection.Job.Work, for envelope: Envelope, completion: @escaping ([RecipientOutcome]) -> Void
    ) {
        self.work = work
        self.envelope = envelope
        self.completion = completion
    }

    var isOver: Bool { completion == nil }
    var isWaiting: Bool { !isOver && connection == nil && !isConnecting }

    /// Ends the order, on whatever it is waiting, when `deadline` has passed.
    func bound(by deadline: NIODeadline, on loop: any EventLoop, _ reason: String) {
        timers.append(
            loop.assumeIsolated().scheduleTask(deadline: deadline) {
                // A connection knows how far the message got.
                if let connection = self.connection {
                    connection.abandon(reason)
                } else {
                    self.giveUp(reason)
                }
            })
    }

    /// Ends the order after `time` if no connection has become free for it by then.
    func boundWaiting(to time: TimeAmount, on loop: any EventLoop, _ reason: String) {
        timers.append(
            loop.assumeIsolated().scheduleTask(in: time) {
                if self.isWaiting { self.giveUp(reason) }
            })
    }

    /// Nothing of it was sent.
    func giveUp(_ reason: String) {
        complete(envelope.recipients.map { _ in .unreachable(reason) })
    }

    /// The first call counts.
    func complete(_ outcomes: [RecipientOutcome]) {
        guard let completion else { return }
        self.completion = nil
        connection = nil
        // The timers hold the order: cancelled, they let go of it and of the message.
        for timer in timers { timer.cancel() }
        timers = []
        completion(outcomes)
    }
}
