import CoveyCore
import Logging
import MailNet
import NIOCore
import Replication

/// The keeper of the journals and the healer that relies on it, at work for as long as somebody holds this: after a reload with another journal the old one
/// goes on until its last session has ended.
final class RunningJournal: DeletionLog {
    /// All that a keeper is made of.
    struct Settings: Equatable, Sendable {
        var key: ClusterKey
        var mailboxes: [ClusterConfiguration.MailboxServer]
        var journal: ClusterConfiguration.Journal
        var connectTimeout: Duration
        var loginTimeout: Duration
        var host: String
        var healAfter: Duration

        init(_ configuration: ClusterConfiguration, host: String) {
            key = configuration.cluster.key
            mailboxes = configuration.mailboxes
            journal = configuration.journal
            connectTimeout = configuration.milter.connectTimeout
            loginTimeout = configuration.pop3.loginTimeout
            healAfter = configuration.pop3.healAfter
            self.host = host
        }

        /// Files that a configuration names may have changed without it: the authorities' certificates.
        var dependsOnFiles: Bool { mailboxes.contains { $0.tls != .none } }
    }

    let settings: Settings
    let healer: Healer
    private let keeper: JournalKeeper
    private let work: Task<Void, Never>

    /// Nil where there is no password for the journal. Throws `ServerTLS.UnusableCertificates`.
    init?(_ configuration: ClusterConfiguration, host: String, group: any EventLoopGroup, logger: Logger) throws {
        guard let password = configuration.journal.password else { return nil }
        settings = Settings(configuration, host: host)
        let keeper = try JournalKeeper(configuration, password: password, host: host, group: group, logger: logger)
        self.keeper = keeper
        healer = Healer(
            stores: try configuration.mailboxes.map {
                LMTPCopyStore(
                    try LMTPServer(
                        $0, of: configuration, host: host,
                        replyTimeout: TimeAmount(configuration.milter.deliveryTimeout), group: group))
            },
            key: configuration.cluster.key, healAfter: configuration.pop3.healAfter, log: keeper, logger: logger)
        work = Task { await keeper.run() }
    }

    deinit {
        // What is still to be written is written all the same: only the reading stops.
        work.cancel()
    }

    func deletedIDs(of user: String, since: ContinuousClock.Instant?) async -> Set<MaildropID> {
        await keeper.deletedIDs(of: user, since: since)
    }

    func record(_ deletions: Deletions) async throws(DeletionLogError) -> ContinuousClock.Instant {
        try await keeper.record(deletions)
    }

    /// For monitoring.
    var figures: JournalFigures { get async { await keeper.figures } }

    func noteConfirmed(_ deletions: Deletions) async {
        await keeper.noteConfirmed(deletions)
    }

    func serversOutOfTouch() async -> Set<String> {
        await keeper.serversOutOfTouch()
    }

    func isLoginRefused(at server: String, since: ContinuousClock.Instant) async -> Bool {
        await keeper.isLoginRefused(at: server, since: since)
    }

    func watchedUptime() async -> [String: Duration] {
        await keeper.watchedUptime()
    }
}
