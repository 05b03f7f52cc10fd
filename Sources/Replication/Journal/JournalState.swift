import CoveyCore

/// Deletions that wait for the next write, and who waits for them.
struct PendingBatch {
    var entries: [JournalEntry] = []
    var waiters: [CheckedContinuation<Bool, Never>] = []
}

/// What is known of one server's journal.
struct JournalState {
    /// Unique-ids of messages that were read.
    var known: Set<String> = []
    /// Those among them that were not written with the cluster's key: left in the mailbox for the operator to look at.
    var foreign: Set<String> = []
    /// What was told of it.
    var hasToldOfLostTouch = false
    var hasToldOfTheFuture = false
    /// Why it cannot be read.
    private(set) var failure: String?
    var isReadable = false
    var wasTried = false
    var lastRepair: ContinuousClock.Instant?
    private var lastReading: ContinuousClock.Instant?
    /// When the last attempt to read it began that has ended, and whether the server refused the login then.
    private(set) var lastAttempt: ContinuousClock.Instant?
    private(set) var isLoginRefused = false

    /// An attempt has ended; `isLoginRefused` as of it.
    mutating func ended(_ started: ContinuousClock.Instant, isLoginRefused: Bool) {
        lastAttempt = started
        self.isLoginRefused = isLoginRefused
    }

    /// Calls `log` when this is news.
    mutating func succeeded(_ started: ContinuousClock.Instant, _ log: (String) -> Void) {
        if wasTried && !isReadable { log("journal can be read again") }
        lastReading = started
        failure = nil
        isReadable = true
        wasTried = true
    }

    /// Calls `log` when this is news.
    mutating func failed(_ reason: String, _ log: (String) -> Void) {
        failure = reason
        if isReadable || !wasTried { log("journal cannot be read") }
        isReadable = false
        wasTried = true
    }

    func isStale(now: ContinuousClock.Instant, limit: Duration) -> Bool {
        guard wasTried else { return true }
        guard isReadable, let lastReading else { return false }
        return lastReading.duration(to: now) > limit
    }
}
