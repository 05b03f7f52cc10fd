internal import NIOCore

/// Whether logins go to one mailbox server (design §5, Login).
///
/// Pure. After three failures in a row it is skipped, until a probe reaches it. What a probe lets in is on trial: it only
/// saw the greeting, so one more failure is enough to skip the server again, and the next probe comes later.
struct ServerHealthRecord {
    /// What the caller must do after a failure.
    enum Action: Equatable {
        case none
        /// This was one too many: skip the server and probe it for the first time after that time.
        case skip(probeAfter: TimeAmount)
    }

    private enum State {
        case asked(failures: Int)
        case skipped
    }

    private static let failuresInARow = 3
    /// A server whose logins hang while it greets costs one login in so many at worst.
    private static let longestWait = TimeAmount.seconds(30)

    private let interval: TimeAmount
    private var state = State.asked(failures: 0)
    private var wait: TimeAmount

    /// - Parameter interval: between two probes.
    init(interval: TimeAmount) {
        self.interval = interval
        wait = interval
    }

    var isSkipped: Bool {
        if case .skipped = state { true } else { false }
    }

    /// A login was answered, with whatever words.
    mutating func answered() {
        // Of a login that began before the server was skipped: the probe decides.
        guard case .asked = state else { return }
        state = .asked(failures: 0)
        wait = interval
    }

    mutating func failed() -> Action {
        guard case .asked(let failures) = state else { return .none }
        guard failures + 1 >= ServerHealthRecord.failuresInARow else {
            state = .asked(failures: failures + 1)
            return .none
        }
        state = .skipped
        defer { wait = min(wait * 2, ServerHealthRecord.longestWait) }
        return .skip(probeAfter: wait)
    }

    /// A probe saw the greeting.
    mutating func probed() {
        guard case .skipped = state else { return }
        state = .asked(failures: ServerHealthRecord.failuresInARow - 1)
    }
}
