public import CoveyCore
public import Logging
public import MailWire
import NIOCore

/// Keeps the journals of all mailbox servers: reads them, writes deletions to them, copies to each what it lacks
/// (design §6).
///
/// Each server's journal is read by a loop of its own, so that a server that is down delays nobody. What is known is the
/// union of all readings; it is a cache, the truth lies in the mailboxes.
public actor JournalKeeper: DeletionLog {
    public struct Settings: Sendable {
        public var mailbox: String
        /// Name of this host, for the messages it writes.
        public var host: String
        /// Seconds an entry is kept.
        public var expire: Int
        /// How often the journals are read, and at most how often this proxy writes.
        public var poll: Duration
        /// Longest wait of a login for a reading.
        public var patience: Duration
        /// Between two copies of what a journal lacks: other proxies may be at it too.
        public var repairInterval: Duration

        public init(
            mailbox: String, host: String, expire: Int, poll: Duration, patience: Duration,
            repairInterval: Duration = .seconds(10)
        ) {
            self.mailbox = mailbox
            self.host = host
            self.expire = expire
            self.poll = poll
            self.patience = patience
            self.repairInterval = repairInterval
        }
    }

    let stores: [any JournalStore]
    let codec: JournalCodec
    let settings: Settings
    let logger: Logger
    let wallClock: @Sendable () -> Int
    let clock = ContinuousClock()

    var union = JournalUnion()
    var touch: ClusterTouch
    var journals: [JournalState]
    /// When this proxy last wrote a heartbeat that was a new one for the cluster.
    var lastHeartbeat: ContinuousClock.Instant?
    /// Seconds left to other proxies to write the next heartbeat: with different ones, one proxy writes it, not all.
    var heartbeatPatience: Int
    var lastExpiry: ContinuousClock.Instant?
    var hasToldOfClock = false
    private var batch = PendingBatch()
    private var lastWrite: ContinuousClock.Instant?
    private var isWriteScheduled = false
    /// Of what time the journals are wanted by whoever waits for a reading.
    var wanted: ContinuousClock.Instant?

    /// - Parameters:
    ///   - stores: one per mailbox server, in configuration order, at most 64.
    ///   - wallClock: seconds since 1970.
    public init(
        stores: [any JournalStore], key: ClusterKey, settings: Settings, logger: Logger,
        wallClock: @escaping @Sendable () -> Int
    ) {
        precondition(stores.count <= 64, "the union has one bit for each server")
        self.stores = stores
        codec = JournalCodec(key: key)
        self.settings = settings
        self.logger = logger
        self.wallClock = wallClock
        journals = stores.map { _ in JournalState() }
        touch = ClusterTouch(servers: stores.map(\.name), expire: settings.expire)
        heartbeatPatience = Int.random(in: 0...(touch.interval / 24))
    }

    /// Reads all journals again and again until the task is cancelled.
    public func run() async {
        await withDiscardingTaskGroup { group in
            for server in stores.indices {
                group.addTask { await self.readAgainAndAgain(server) }
            }
        }
    }

    private func readAgainAndAgain(_ server: Int) async {
        while !Task.isCancelled {
            let wasAwaited = journals[server].isAwaited
            let attempt = Task { await read(server) }
            journals[server].attempt = attempt
            await withTaskCancellationHandler {
                await attempt.value
            } onCancel: {
                attempt.cancel()
            }
            journals[server].attempt = nil
            if wasAwaited { journals[server].isAwaited = false }
            if journals[server].isReadable { await maintain(server) }
            await rest(server)
        }
    }

    /// Between two readings: `poll`, or less when somebody wants to know what is there now.
    private func rest(_ server: Int) async {
        // However many logins want to know: no server is asked more than twenty times a second.
        let least = min(settings.poll, .milliseconds(50))
        try? await clock.sleep(for: least)
        if journals[server].isAwaited { return }
        if let wanted, journals[server].isOlder(than: wanted) { return }
        let clock = self.clock
        let more = settings.poll - least
        let sleeper = Task { try? await clock.sleep(for: more) }
        journals[server].sleeper = sleeper
        await withTaskCancellationHandler {
            _ = await sleeper.value
        } onCancel: {
            sleeper.cancel()
        }
    }

    // MARK: what sessions ask

    public func deletedIDs(of user: String, since: ContinuousClock.Instant?) async -> Set<MaildropID> {
        await waitForReadings(since: since)
        return Set(union.deleted(by: user, since: oldestTime).map(\.description))
    }

    public func serversOutOfTouch() async -> Set<String> {
        let now = wallClock()
        return Set(stores.indices.filter { touch.hasLostTouch($0, now: now) }.map { stores[$0].name })
    }

    public func watchedUptime() async -> [String: Duration] {
        Dictionary(uniqueKeysWithValues: stores.indices.map { (stores[$0].name, journals[$0].uptime) })
    }

    /// Entries older than this count no more.
    var oldestTime: Int { touch.time(now: wallClock()) - settings.expire }

    @discardableResult
    public func record(_ deletions: Deletions) async throws(DeletionLogError) -> ContinuousClock.Instant {
        // Entries could still be written by LMTP, but what cannot be read hides nothing (design §6).
        guard canRecord, let entry = entry(for: deletions) else { throw .unavailable }
        batch.entries.append(entry)
        if await !written() { throw .unavailable }
        // A login makes do with a reading that is no older than `poll` (design §6): one that began before this entry was
        // there is too old by then.
        return clock.now + settings.poll
    }

    /// Deletions that wait to be written.
    var pendingDeletions: Int { batch.entries.reduce(0) { $0 + $1.ids.count } }

    public func noteConfirmed(_ deletions: Deletions) async {
        guard let entry = entry(for: deletions) else { return }
        batch.entries.append(entry)
        batch.confirmed.append(entry)
        _ = await written()
    }

    /// Waits until what was taken is written: whether that is durable.
    private func written() async -> Bool {
        await withCheckedContinuation { continuation in
            batch.waiters.append(continuation)
            scheduleWrite()
        }
    }

    /// Whether anything can be put on record now, as far as is known.
    public var canRecord: Bool { journals.contains { $0.isReadable || !$0.wasTried } }

    private func entry(for deletions: Deletions) -> JournalEntry? {
        let ids = deletions.ids.compactMap { UniqueID($0) }
        // All or nothing: an id of neither kind cannot come out of a maildrop of ours.
        guard !ids.isEmpty, ids.count == deletions.ids.count else { return nil }
        return JournalEntry(user: deletions.user, ids: ids, time: touch.timeOfEntry(now: wallClock()))
    }

    // MARK: writing

    /// Group commit: one message holds all that came since the last one, and at most one is written per `poll`.
    private func scheduleWrite() {
        guard !isWriteScheduled else { return }
        isWriteScheduled = true
        let wait = lastWrite.map { max(.zero, settings.poll - $0.duration(to: clock.now)) } ?? .zero
        Task {
            if wait > .zero { try? await clock.sleep(for: wait) }
            self.writeBatch()
        }
    }

    private func writeBatch() {
        isWriteScheduled = false
        let batch = self.batch
        self.batch = PendingBatch()
        guard !batch.entries.isEmpty else { return }
        lastWrite = clock.now
        let commit = JournalCommit(
            waiters: batch.waiters, required: min(2, max(1, journals.count(where: \.isReadable))),
            answersDue: stores.count)
        for server in stores.indices {
            Task {
                let stored = await self.write(batch.entries, to: server)
                if !stored { self.keep(batch.confirmed) }
                commit.answered(stored: stored)
            }
        }
    }

    /// Takes entries that a journal did not take into the union: what every server has removed is deleted, on record or
    /// not, and each journal gets what it lacks as soon as it takes it.
    private func keep(_ entries: [JournalEntry]) {
        for entry in entries { union.add(entry, heldBy: nil) }
    }

    /// Writes entries and marks to one journal; true when the server has all of them on disk.
    func write(_ entries: [JournalEntry], marks: [JournalMark] = [], to server: Int) async -> Bool {
        var parts = JournalParts.split(entries, size: JournalMessage.mostEntries)
        if parts.isEmpty { parts = [[]] }
        for (number, part) in parts.enumerated() {
            let marks = number == 0 ? marks : []
            let text = JournalMessage.text(part, marks: marks, heading(), codec: codec)
            guard await stores[server].append(ByteBuffer(string: text)) else {
                logger.warning(
                    "journal entry not written", metadata: ["server": "\(stores[server].name)"])
                return false
            }
            for mark in marks { touch.add(mark, foundOn: server) }
            for entry in part { union.add(entry, heldBy: server) }
        }
        return true
    }

    private func heading() -> JournalMessage.Heading {
        let now = wallClock()
        return .init(
            mailbox: settings.mailbox, host: settings.host, date: MailDate.text(now),
            messageID: "\(now).\(UInt64.random(in: .min ... .max)).covey-journal@\(settings.host)")
    }
}

extension JournalKeeper.Settings {
    /// As a configuration has it.
    public init(_ configuration: ClusterConfiguration, host: String) {
        self.init(
            mailbox: configuration.journal.mailbox, host: host,
            expire: Int(configuration.journal.expire.components.seconds), poll: configuration.journal.poll,
            patience: configuration.pop3.loginTimeout)
    }
}
