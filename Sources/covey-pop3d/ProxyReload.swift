import CoveyCore
import Logging
import MailNet
import NIOCore
import Replication
import Synchronization

/// What SIGUSR1 does: the configuration is read anew, with the files it names, and counts for all sessions that begin from
/// then on. Listeners stay, sessions under way end as they began, and a file with any problem changes nothing.
final class ProxyReload: Sendable {
    private struct State {
        var configuration: ClusterConfiguration
        var journal: RunningJournal?
    }

    private let state: Mutex<State>
    private let server: POP3ProxyServer
    /// Path of cluster.toml, and `--host`, if given.
    private let file: String
    private let host: String?
    private let group: any EventLoopGroup
    private let logger: Logger

    /// - Parameters:
    ///   - configuration: in force now, with its journal and server.
    init(
        _ configuration: ClusterConfiguration, _ journal: RunningJournal?, _ server: POP3ProxyServer, file: String,
        host: String?, group: any EventLoopGroup, logger: Logger
    ) {
        state = Mutex(State(configuration: configuration, journal: journal))
        self.server = server
        self.file = file
        self.host = host
        self.group = group
        self.logger = logger
    }

    /// The journal in force.
    var journal: RunningJournal? { state.withLock(\.journal) }

    /// For `systemctl status`.
    var status: String {
        "merges \(state.withLock(\.configuration).mailboxes.map(\.name).joined(separator: ", "))"
    }

    /// Not to be called twice at once.
    func run() {
        let new: ClusterConfiguration
        let settings: POP3ProxySettings
        let journal: RunningJournal?
        do {
            new = try CoveyPOP3D.readConfiguration(file)
            let hostName = try new.ownProxy(given: host, file: file).name
            // All files are read here, certificates too: what throws keeps all of the old.
            (settings, journal) = try CoveyPOP3D.withReadableCertificates(file) {
                (try POP3ProxySettings(configuration: new, host: hostName), try self.journal(for: new, host: hostName))
            }
        } catch {
            for line in "\(error)".split(separator: "\n") {
                logger.error(
                    "Configuration not reloaded, the old one stays in force", metadata: ["problem": "\(line)"])
            }
            return
        }
        let old = state.withLock(\.configuration)
        server.reconfigure(
            settings: settings, deletionLog: journal ?? NoDeletionLog(), healer: journal?.healer ?? NoHealer())
        state.withLock { $0 = State(configuration: new, journal: journal) }
        CoveyPOP3D.raiseDescriptorLimit(for: settings, logger: logger)
        let changes = new.changedTables(since: old)
        logger.notice(
            "Configuration reloaded",
            metadata: [
                "changed": "\(changes.isEmpty ? "nothing" : changes.joined(separator: ","))",
                "servers.preference": "\(settings.preference.map { settings.servers[$0].name })",
            ])
        warn(old, new)
    }

    /// The old one while nothing about it has changed: what it has read stays known.
    private func journal(for new: ClusterConfiguration, host: String) throws -> RunningJournal? {
        let wanted = RunningJournal.Settings(new, host: host)
        if let running = state.withLock(\.journal), running.settings == wanted, !wanted.dependsOnFiles {
            return running
        }
        return try RunningJournal(new, host: host, group: group, logger: logger)
    }

    private func warn(_ old: ClusterConfiguration, _ new: ClusterConfiguration) {
        var keys: [String] = []
        if old.pop3.listen != new.pop3.listen { keys.append("pop3.listen") }
        if old.pop3.listenTLS != new.pop3.listenTLS { keys.append("pop3.listen_tls") }
        if old.pop3.user != new.pop3.user { keys.append("pop3.user") }
        if old.monitor.listen != new.monitor.listen { keys.append("monitor.listen") }
        guard !keys.isEmpty else { return }
        logger.warning(
            "A changed setting counts after a restart only", metadata: ["keys": "\(keys.joined(separator: ","))"])
    }
}
