public import CoveyCore
import MailWire

extension JournalKeeper {
    /// For monitoring.
    public var figures: JournalFigures {
        let now = wallClock()
        return JournalFigures(
            entries: union.count, pending: pendingDeletions,
            servers: stores.indices.map { server in
                let journal = journals[server]
                return .init(
                    name: stores[server].name, isReadable: journal.isReadable || !journal.wasTried,
                    reason: journal.failure, isServerSilent: journal.isServerSilent,
                    missing: union.missingCount(on: server), foreign: journal.foreign.count,
                    hasLostTouch: touch.hasLostTouch(server, now: now))
            })
    }
}
