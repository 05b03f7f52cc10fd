import CoveyCore
import Glibc
import Logging
import MailNet
import NIOCore
import Replication

extension JournalKeeper {
    /// The journals of all mailbox servers of a configuration.
    ///
    /// Throws `ServerTLS.UnusableCertificates`.
    ///
    /// - Parameter password: of the journal's mailbox.
    init(
        _ configuration: ClusterConfiguration, password: Secret, host: String, group: any EventLoopGroup, logger: Logger
    ) throws {
        self.init(
            stores: try JournalMailbox.all(of: configuration, password: password, host: host, group: group),
            key: configuration.cluster.key, settings: .init(configuration, host: host), logger: logger,
            wallClock: { time(nil) })
    }
}
