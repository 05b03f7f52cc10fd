import CoveyCore
import Logging
import MailWire

/// What a proxy does for the journals besides reading and writing deletions: heartbeats, copies of what one lacks,
/// compaction, and an eye on servers that have lost touch.
extension JournalKeeper {
    /// Messages in one journal beyond which its entries are written together and the parts removed.
    static let compactionThreshold = 1_000

    /// An entry this close to its end is not copied any more: seconds.
    private var lastDay: Int { min(86_400, settings.expire / 10) }

    /// After each reading of a server's journal.
    func maintain(_ server: Int) async {
        // What is old, what a journal lacks and who has lost touch is known only when all that can be read were read.
        guard journals.allSatisfy(\.wasTried) else { return }
        expireNowAndThen()
        if needsCompaction(server) { _ = await compact(server) }
        watchTouch(server)
        if let last = journals[server].lastRepair, last.duration(to: clock.now) < settings.repairInterval {
            return
        }
        journals[server].lastRepair = clock.now
        await keepInTouch(server)
        let missing = union.missing(on: server, since: oldestTime + lastDay)
        guard !missing.isEmpty, await write(missing, to: server) else { return }
        logger.notice(
            "entries copied to a journal that lacked them",
            metadata: ["server": "\(stores[server].name)", "entries": "\(missing.count)"])
    }

    /// Not at every reading: with a million entries it takes milliseconds.
    private func expireNowAndThen() {
        let pause = Duration.seconds(min(60, max(1, settings.expire / 100)))
        if let lastExpiry, lastExpiry.duration(to: clock.now) < pause { return }
        lastExpiry = clock.now
        union.expire(before: oldestTime)
    }

    // MARK: touch

    /// Writes the heartbeat that a journal is due. Just after a reading, so that a server that has lost touch is known.
    private func keepInTouch(_ server: Int) async {
        guard let due = touch.heartbeatDue(server, now: wallClock(), patience: heartbeatPatience) else { return }
        if due.isNew {
            // However far the own clock is ahead: time goes on by two intervals an interval at most. Where somebody emptied
            // all journals there is no time that could.
            if touch.hasHeartbeats(now: wallClock()), let lastHeartbeat,
                lastHeartbeat.duration(to: clock.now) < .seconds(touch.interval)
            {
                return
            }
            lastHeartbeat = clock.now
            heartbeatPatience = Int.random(in: 0...(touch.interval / 24))
        }
        let mark = JournalMark(.heartbeat, server: stores[server].name, time: due.time)
        if await !write([], marks: [mark], to: server), due.isNew { lastHeartbeat = nil }
    }

    private func watchTouch(_ server: Int) {
        let now = wallClock()
        let name = stores[server].name
        let isLost = touch.hasLostTouch(server, now: now)
        if isLost != journals[server].hasToldOfLostTouch {
            journals[server].hasToldOfLostTouch = isLost
            if isLost {
                logger.error(
                    "mailbox server has lost touch: what only it holds is not shown; run covey resync",
                    metadata: [
                        "server": "\(name)",
                        "last.heartbeat": "\(touch.lastTouch(of: server, now: now).map(MailDate.text) ?? "none")",
                    ])
            } else {
                logger.notice("mailbox server is in touch again", metadata: ["server": "\(name)"])
            }
        }
        let future = touch.heartbeatFromTheFuture(server, now: now)
        if (future != nil) != journals[server].hasToldOfTheFuture {
            journals[server].hasToldOfTheFuture = future != nil
            if let future {
                logger.error(
                    "heartbeat from the future: this host's clock is behind, or that of the proxy that wrote it was ahead",
                    metadata: ["server": "\(name)", "heartbeat": "\(MailDate.text(future))"])
            }
        }
        let isAhead = touch.isAheadOfHeartbeats(now: now)
        if isAhead && !hasToldOfClock {
            logger.warning(
                "all heartbeats are old: the cluster was off, or this host's clock is ahead",
                metadata: ["journal.time": "\(MailDate.text(touch.time(now: now)))"])
        }
        hasToldOfClock = isAhead
    }

    // MARK: compaction

    private func needsCompaction(_ server: Int) -> Bool {
        let parts = journals[server].known.count - journals[server].foreign.count
        // A journal that is large because it holds much does not get smaller.
        let least = 2 * (union.count / JournalMessage.mostEntries + 1)
        return parts > max(JournalKeeper.compactionThreshold, least)
    }

    /// Writes what a journal holds as one, sees it stored, and only then removes the parts.
    ///
    /// - Returns: whether it was done.
    func compact(_ server: Int) async -> Bool {
        let parts = journals[server].known.subtracting(journals[server].foreign)
        guard !parts.isEmpty else { return true }
        let held = union.held(by: server, since: oldestTime)
        let marks = touch.marksToKeep(of: server, now: wallClock())
        guard await write(held, marks: marks, to: server) else { return false }
        do {
            try await stores[server].remove(parts)
            journals[server].known.subtract(parts)
            logger.notice(
                "journal compacted", metadata: ["server": "\(stores[server].name)", "messages": "\(parts.count)"])
            return true
        } catch {
            logger.warning(
                "journal not compacted", metadata: ["server": "\(stores[server].name)", "reason": "\(error)"])
            return false
        }
    }
}
