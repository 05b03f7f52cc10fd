public import CoveyCore
import MailWire
import Synchronization

/// Answers, before a message comes, whether the mailbox servers know a recipient (design §4.3).
///
/// The servers are asked in a short transaction; their answer is kept for a while. Keeping it costs nothing but time:
/// a user who was just created waits for the negative answer to age.
public final class RecipientCheck: Sendable {
    public enum Answer: Sendable, Equatable {
        /// At least one server takes mail for the recipient.
        case known
        /// Every configured server says that there is no such user.
        case unknown(ReplyText)
        /// Refused for good by every server for another reason.
        case refused(ReplyText)
        /// Not all could be asked, and nobody knows the recipient so far.
        case undecided(ReplyText)
    }

    /// How long answers are kept (design §4.3).
    public static let positiveLifetime = Duration.seconds(300)
    public static let negativeLifetime = Duration.seconds(30)
    /// Most answers kept: beyond it, strangers probing for addresses would fill the memory.
    static let mostEntries = 10_000

    private let fanOut: FanOut
    private let now: @Sendable () -> ContinuousClock.Instant
    private let cache = Mutex<[String: (answer: Answer, expires: ContinuousClock.Instant)]>([:])

    /// - Parameter now: the time, for answers to age.
    public init(
        fanOut: FanOut, now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
    ) {
        self.fanOut = fanOut
        self.now = now
    }

    public func check(_ address: MailboxAddress) async -> Answer {
        if let cached = cached(address.key) { return cached }
        let refusals = await fanOut.refusals(of: address.text)
        let answer = refusals.map { RecipientCheck.conclude($0) } ?? .known
        remember(answer, for: address.key)
        return answer
    }

    static func conclude(_ verdicts: [CopyVerdict]) -> Answer {
        switch RecipientDisposition(verdicts: verdicts, minimum: .count(1)) {
        case .ours: .known
        case .unknownUser(let reply, byAll: true): .unknown(reply)
        case .unknownUser(_, byAll: false):
            .undecided(
                ReplyText(
                    code: 451, enhanced: "4.3.0", text: "not all mailbox servers could be asked, try again later"))
        case .refused(let reply): .refused(reply)
        case .temporary(let reply): .undecided(reply)
        }
    }

    private func cached(_ key: String) -> Answer? {
        cache.withLock { cache in
            guard let entry = cache[key], entry.expires > now() else { return nil }
            return entry.answer
        }
    }

    private func remember(_ answer: Answer, for key: String) {
        let lifetime: Duration
        switch answer {
        case .known: lifetime = RecipientCheck.positiveLifetime
        case .unknown, .refused: lifetime = RecipientCheck.negativeLifetime
        case .undecided: return
        }
        let now = now()
        cache.withLock { cache in
            if cache.count >= RecipientCheck.mostEntries {
                cache = cache.filter { $0.value.expires > now }
                if cache.count >= RecipientCheck.mostEntries { cache.removeAll(keepingCapacity: true) }
            }
            cache[key] = (answer, now + lifetime)
        }
    }
}
