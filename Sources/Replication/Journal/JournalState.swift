import CoveyCore

/// Deletions that wait for the next write, and who waits for them.
struct PendingBatch {
    var entries: [JournalEntry] = []
    /// Those among them that all servers have confirmed: true, whether they can be written or not.
    var confirmed: [JournalEntry] = []
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
    /// Whether it cannot be read because the server did not answer at all.
    private(set) var isServerSilent = false
    var isReadable = false
    var wasTried = false
    var lastRepair: ContinuousClock.Instant?
    private var lastReading: ContinuousClock.Instant?
    /// Ends the rest before the next reading when it is cancelled.
    var sleeper: Task<Void?, Never>?
    /// The attempt to read it that is under way.
    var attempt: Task<Void, Never>?
    /// Whether its server, which was silent, answers again, so that the next attempt follows at once.
    var isAwaited = false
    /// The question whether a silent server answers again, for all who want to know.
    var question: Task<Bool, Never>?
    /// Time between readings that both succeeded, with none that failed between them.
    private(set) var uptime = Duration.zero
    /// The last attempt to read it that has ended: when it began and ended, and whether the server refused the login.
    private var lastAttempt: (started: ContinuousClock.Instant, ended: ContinuousClock.Instant)?
    private(set) var isLoginRefused = false

    mutating func attemptEnded(_ started: ContinuousClock.Instant, now: ContinuousClock.Instant, isLoginRefused: Bool) {
        lastAttempt = (started, now)
        self.isLoginRefused = isLoginRefused
    }

    /// Whether the last attempt says something of a time. A refusal does when it was told after it, since servers delay
    /// it; what went well has to begin after it.
    func wasAttempted(since time: ContinuousClock.Instant) -> Bool {
        guard let lastAttempt else { return false }
        return time <= (isLoginRefused ? lastAttempt.ended : lastAttempt.started)
    }

    /// Calls `log` when this is news.
    mutating func succeeded(_ started: ContinuousClock.Instant, _ log: (String) -> Void) {
        if wasTried && !isReadable { log("journal can be read again") }
        if isReadable, let lastReading { uptime += lastReading.duration(to: started) }
        lastReading = started
        failure = nil
        isServerSilent = false
        isReadable = true
        wasTried = true
    }

    /// Calls `log` when this is news.
    mutating func failed(_ reason: String, isServerSilent: Bool = false, _ log: (String) -> Void) {
        failure = reason
        self.isServerSilent = isServerSilent
        if isReadable || !wasTried { log("journal cannot be read") }
        isReadable = false
        wasTried = true
    }

    /// Whether it was read by an attempt that began since that time.
    func wasRead(since time: ContinuousClock.Instant) -> Bool {
        isReadable && lastReading.map { $0 >= time } ?? false
    }

    /// Whether the journal can be read, and was last read before that time.
    func isOlder(than time: ContinuousClock.Instant) -> Bool {
        guard isReadable, let lastReading else { return false }
        return lastReading < time
    }

    func isStale(now: ContinuousClock.Instant, limit: Duration) -> Bool {
        guard wasTried else { return true }
        guard isReadable, let lastReading else { return false }
        return lastReading.duration(to: now) > limit
    }
}
