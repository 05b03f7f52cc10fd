import CoveyCore
import Synchronization

/// One write to all journals: the waiters hear as soon as enough servers have it on disk, or when no more can.
///
/// Enough is two where two journals can be read, else one (design §5). A server that was taken for readable and does not
/// answer after all lowers that to what can be had: one entry is durable, and the others get it when they are back.
final class JournalCommit: Sendable {
    private struct State {
        var waiters: [CheckedContinuation<Bool, Never>]
        var stored = 0
        var answersDue: Int
    }

    private let required: Int
    private let state: Mutex<State>

    init(waiters: [CheckedContinuation<Bool, Never>], required: Int, answersDue: Int) {
        self.required = required
        state = Mutex(State(waiters: waiters, answersDue: answersDue))
    }

    func answered(stored: Bool) {
        let (waiters, isDurable) = state.withLock { state -> ([CheckedContinuation<Bool, Never>], Bool) in
            state.answersDue -= 1
            if stored { state.stored += 1 }
            guard state.stored >= required || state.answersDue == 0 else { return ([], false) }
            defer { state.waiters = [] }
            return (state.waiters, state.stored > 0)
        }
        for waiter in waiters { waiter.resume(returning: isDurable) }
    }
}

/// Cuts entries into parts that fit one journal message.
enum JournalParts {
    static func split(_ entries: [JournalEntry], size: Int) -> [[JournalEntry]] {
        stride(from: 0, to: entries.count, by: size).map { Array(entries[$0...].prefix(size)) }
    }
}
