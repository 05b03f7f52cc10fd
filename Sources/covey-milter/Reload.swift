import CoveyCore
import Logging
import Replication

/// What SIGUSR1 does: the configuration is read anew and counts for all messages that begin from then on. No connection is dropped,
/// and a file with any problem changes nothing.
///
/// Not SIGHUP: libmilter takes that for the end (facts 14).
struct Reload: Sendable {
    let maker: HubMaker
    let current: CurrentHub
    let logger: Logger

    func run() {
        let old = current.now
        let new: Hub
        do throws(StartFailure) {
            new = try maker.make(try maker.read(), replacing: old)
        } catch {
            for line in error.description.split(separator: "\n") {
                logger.error(
                    "configuration not reloaded, the old one stays in force", metadata: ["problem": "\(line)"])
            }
            return
        }
        current.replace(with: new)
        for server in old.servers where !new.servers.contains(where: { $0.destination === server.destination }) {
            server.destination.retire()
        }
        let changes = new.configuration.changedTables(since: old.configuration)
        logger.notice(
            "configuration reloaded",
            metadata: [
                "changed": "\(changes.isEmpty ? "nothing" : changes.joined(separator: ","))",
                "servers": "\(new.configuration.mailboxes.map(\.name).joined(separator: ","))",
            ])
        warn(old.configuration, new.configuration)
    }

    private func warn(_ old: ClusterConfiguration, _ new: ClusterConfiguration) {
        var keys: [String] = []
        if old.milter.socket != new.milter.socket { keys.append("milter.socket") }
        if old.milter.user != new.milter.user { keys.append("milter.user") }
        if old.monitor.listen != new.monitor.listen { keys.append("monitor.listen") }
        if !keys.isEmpty {
            logger.warning(
                "a changed setting counts after a restart only", metadata: ["keys": "\(keys.joined(separator: ","))"])
        }
        if old.cluster.domains != new.cluster.domains || old.mailboxes != new.mailboxes
            || old.journal.mailbox != new.journal.mailbox
        {
            logger.warning(
                "the MTA must hear of it too: run postfix/setup, or install what covey sendmail prints",
                metadata: ["changed": "domains, mailbox servers or the journal's mailbox"])
        }
    }
}
