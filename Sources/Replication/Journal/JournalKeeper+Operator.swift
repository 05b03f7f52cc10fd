public import CoveyCore
import MailWire

/// What `covey journal` and `covey resync` ask of the journals: one reading instead of many.
extension JournalKeeper {
    /// A journal as it was read.
    public struct Survey: Sendable {
        /// The mailbox server's name.
        public var server: String
        /// Why it could not be read; nil if it could.
        public var failure: String?
        /// Messages in it.
        public var messages: Int
        /// Those of them that were not written with the cluster's key.
        public var foreign: Int
        /// Deletions that it holds.
        public var deletions: Int
        /// Newest heartbeat, in seconds since 1970.
        public var lastTouch: Int?
        public var hasLostTouch: Bool
    }

    /// Reads what is new in all journals, all at the same time, unless that was done within the last `poll`.
    public func refresh() async {
        let now = clock.now
        guard journals.contains(where: { $0.isStale(now: now, limit: settings.poll) }) else { return }
        await readAll()
    }

    private func readAll() async {
        await withDiscardingTaskGroup { group in
            for server in stores.indices { group.addTask { await self.read(server) } }
        }
    }

    /// Reads all journals once, and tells what they hold.
    public func survey() async -> [Survey] {
        await readAll()
        union.expire(before: oldestTime)
        let now = wallClock()
        return stores.indices.map { server in
            Survey(
                server: stores[server].name, failure: journals[server].failure,
                messages: journals[server].known.count, foreign: journals[server].foreign.count,
                deletions: union.held(by: server, since: oldestTime).reduce(0) { $0 + $1.ids.count },
                lastTouch: touch.lastTouch(of: server, now: now),
                hasLostTouch: touch.hasLostTouch(server, now: now))
        }
    }

    /// Deletions, newest first.
    public func deletions(where isMeant: (String, UniqueID) -> Bool) -> [JournalUnion.Item] {
        union.items(where: isMeant).sorted {
            ($1.time, $0.user, $0.id.description) < ($0.time, $1.user, $1.id.description)
        }
    }

    /// Ids of the user's messages that are deleted, as of the last reading.
    public func knownDeletions(of user: String) -> Set<MaildropID> {
        Set(union.deleted(by: user, since: oldestTime).map(\.description))
    }

    /// Writes the union of all journals to each of them, and removes the parts.
    ///
    /// - Returns: names of the servers where that could not be done.
    public func compactAll() async -> [String] {
        var failed: [String] = []
        for server in stores.indices {
            guard journals[server].isReadable else {
                failed.append(stores[server].name)
                continue
            }
            let missing = union.missing(on: server, since: oldestTime)
            if !missing.isEmpty, await !write(missing, to: server) {
                failed.append(stores[server].name)
                continue
            }
            if await !compact(server) { failed.append(stores[server].name) }
        }
        return failed
    }

    /// Says in a server's journal that it was brought up to date: true when that is on its disk.
    public func markResynced(_ name: String) async -> Bool {
        guard let server = stores.firstIndex(where: { $0.name == name }) else { return false }
        let time = touch.timeOfResync(now: wallClock())
        return await write([], marks: [JournalMark(.resynced, server: name, time: time)], to: server)
    }
}
