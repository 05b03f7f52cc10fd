public import CoveyCore
public import Logging
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

    /// Messages in one journal beyond which its entries are written together and the parts removed.
    static let compactionThreshold = 1_000
    /// An entry this close to its end is not copied any more: seconds.
    static let lastDay = 86_400

    private let stores: [any JournalStore]
    private let codec: JournalCodec
    private let settings: Settings
    private let logger: Logger
    private let wallClock: @Sendable () -> Int
    private let clock = ContinuousClock()

    private var union = JournalUnion()
    private var journals: [JournalState]
    private var batch = PendingBatch()
    private var lastWrite: ContinuousClock.Instant?
    private var isWriteScheduled = false

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
    }

    /// Reads all journals again and again until the task is cancelled.
    public func run() async {
        await withDiscardingTaskGroup { group in
            for server in stores.indices {
                group.addTask { await self.readAgainAndAgain(server) }
            }
        }
    }

    // MARK: what sessions ask

    public func deletedIDs(of user: String) async -> Set<MaildropID> {
        await waitForReadings()
        return Set(union.deleted(by: user).map(\.description))
    }

    public func record(_ deletions: Deletions) async throws(DeletionLogError) {
        // Entries could still be written by LMTP, but what cannot be read hides nothing (design §6).
        guard canRecord, take(deletions) else { throw .unavailable }
        let isDurable = await withCheckedContinuation { continuation in
            batch.waiters.append(continuation)
            scheduleWrite()
        }
        if !isDurable { throw .unavailable }
    }

    public nonisolated func noteConfirmed(_ deletions: Deletions) {
        Task { await self.note(deletions) }
    }

    private func note(_ deletions: Deletions) {
        if take(deletions) { scheduleWrite() }
    }

    /// Whether anything can be put on record now, as far as is known.
    public var canRecord: Bool { journals.contains { $0.isReadable || !$0.wasTried } }

    private func take(_ deletions: Deletions) -> Bool {
        let ids = deletions.ids.compactMap { UniqueID($0) }
        // All or nothing: an id of neither kind cannot come out of a maildrop of ours.
        guard !ids.isEmpty, ids.count == deletions.ids.count else { return false }
        batch.entries.append(JournalEntry(user: deletions.user, ids: ids, time: wallClock()))
        return true
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
                commit.answered(stored: stored)
            }
        }
    }

    /// Writes entries to one journal; true when the server has all of them on disk.
    private func write(_ entries: [JournalEntry], to server: Int) async -> Bool {
        for part in JournalParts.split(entries, size: JournalMessage.mostEntries) {
            let text = JournalMessage.text(part, heading(), codec: codec)
            guard await stores[server].append(ByteBuffer(string: text)) else {
                logger.warning(
                    "journal entry not written", metadata: ["server": "\(stores[server].name)"])
                return false
            }
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

    // MARK: reading

    private func readAgainAndAgain(_ server: Int) async {
        while !Task.isCancelled {
            await read(server)
            if journals[server].isReadable { await maintain(server) }
            try? await clock.sleep(for: settings.poll)
        }
    }

    private func read(_ server: Int) async {
        let started = clock.now
        do {
            let reading = try await stores[server].read(known: journals[server].known)
            if !journals[server].known.isSubset(of: reading.uniqueIDs) {
                // Messages are gone: compacted by another proxy, or the journal is another one (a restored backup, a
                // new disk). What it holds is found out anew.
                journals[server].known = []
                union.forgetHolder(server)
                return await read(server, again: reading)
            }
            take(reading, from: server)
            journals[server].succeeded(started) {
                logger.notice("\($0)", metadata: ["server": "\(stores[server].name)"])
            }
        } catch {
            journals[server].failed {
                logger.error("\($0)", metadata: ["server": "\(stores[server].name)", "reason": "\(error)"])
            }
        }
    }

    private func read(_ server: Int, again first: JournalReading) async {
        let started = clock.now
        take(first, from: server)
        journals[server].known = []
        do {
            take(try await stores[server].read(known: []), from: server)
            journals[server].succeeded(started) {
                logger.notice("\($0)", metadata: ["server": "\(stores[server].name)"])
            }
        } catch {
            journals[server].failed {
                logger.error("\($0)", metadata: ["server": "\(stores[server].name)", "reason": "\(error)"])
            }
        }
    }

    private func take(_ reading: JournalReading, from server: Int) {
        let oldest = wallClock() - settings.expire
        for message in reading.new {
            let contents = JournalMessage.read(message.octets.readableBytesView, codec: codec)
            for entry in contents.entries where entry.time >= oldest { union.add(entry, heldBy: server) }
            if contents.invalidLines > 0 {
                // Left in the mailbox for the operator to look at; it has no effect.
                logger.warning(
                    "journal message with lines that are not ours",
                    metadata: [
                        "server": "\(stores[server].name)", "unique.id": "\(message.uniqueID)",
                        "lines": "\(contents.invalidLines)",
                    ])
            }
        }
        journals[server].known = reading.uniqueIDs
    }

    // MARK: upkeep

    private func maintain(_ server: Int) async {
        union.expire(before: wallClock() - settings.expire)
        if journals[server].known.count > JournalKeeper.compactionThreshold { await compact(server) }
        // A journal lacks something only when measured against all that can be read.
        guard journals.allSatisfy({ $0.wasTried }) else { return }
        if let last = journals[server].lastRepair, last.duration(to: clock.now) < settings.repairInterval {
            return
        }
        journals[server].lastRepair = clock.now
        let missing = union.missing(on: server, since: wallClock() - settings.expire + JournalKeeper.lastDay)
        guard !missing.isEmpty, await write(missing, to: server) else { return }
        logger.notice(
            "entries copied to a journal that lacked them",
            metadata: ["server": "\(stores[server].name)", "entries": "\(missing.count)"])
    }

    /// Writes what a journal holds as one, sees it stored, and only then removes the parts.
    private func compact(_ server: Int) async {
        let parts = journals[server].known
        let held = union.held(by: server, since: wallClock() - settings.expire)
        guard await write(held, to: server) else { return }
        do {
            try await stores[server].remove(parts)
            journals[server].known.subtract(parts)
            logger.notice(
                "journal compacted", metadata: ["server": "\(stores[server].name)", "messages": "\(parts.count)"])
        } catch {
            logger.warning(
                "journal not compacted", metadata: ["server": "\(stores[server].name)", "reason": "\(error)"])
        }
    }

    // MARK: waiting

    /// A login that finds a reading older than `poll` waits for a new one; not for a journal that cannot be read.
    private func waitForReadings() async {
        let deadline = clock.now + settings.patience
        while clock.now < deadline, journals.contains(where: { $0.isStale(now: clock.now, limit: settings.poll) }) {
            try? await clock.sleep(for: .milliseconds(20))
        }
    }
}
