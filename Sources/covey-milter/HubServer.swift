import CoveyCore
import Logging
import MailNet
import MailWire
import NIOCore
import NIOPosix
import Replication

/// A mailbox server, its connections and its circuit breaker: kept by a reload that changes nothing about it.
struct HubServer: Sendable {
    /// All that the connections and the breaker are made of.
    struct Settings: Equatable, Sendable {
        var mailbox: ClusterConfiguration.MailboxServer
        var heloName: String
        var connectTimeout: Duration
        var replyTimeout: Duration
        var probeRecipient: String
        var flushCommand: [String]
        var domains: [String]

        init(_ mailbox: ClusterConfiguration.MailboxServer, _ configuration: ClusterConfiguration, heloName: String) {
            self.mailbox = mailbox
            self.heloName = heloName
            connectTimeout = configuration.milter.connectTimeout
            replyTimeout = configuration.milter.deliveryTimeout
            probeRecipient = configuration.journal.mailbox
            flushCommand = configuration.milter.flushCommand
            domains = configuration.cluster.domains
        }
    }

    let settings: Settings
    let destination: GuardedDestination

    /// A new one.
    private init(_ settings: Settings, file: String, logger: Logger) throws(StartFailure) {
        self.settings = settings
        let tls: ServerTLS?
        do {
            tls = try ServerTLS(settings.mailbox)
        } catch {
            throw StartFailure("\(file): \(error)")
        }
        let mailbox = settings.mailbox
        let flush = QueueFlush(command: settings.flushCommand, domains: settings.domains, logger: logger)
        let server = LMTPServer(
            name: mailbox.name,
            settings: .init(
                endpoint: mailbox.delivery, dialect: mailbox.deliveryProtocol == .lmtp ? .lmtp : .smtp,
                heloName: settings.heloName, connectTimeout: TimeAmount(settings.connectTimeout),
                replyTimeout: TimeAmount(settings.replyTimeout), tls: tls),
            group: MultiThreadedEventLoopGroup.singleton)
        destination = GuardedDestination(server, probeRecipient: settings.probeRecipient, logger: logger) {
            await flush.runRepeatedly(server: mailbox.name)
        }
    }

    /// Files that a configuration names may have changed without it, such as the CA's.
    private var dependsOnFiles: Bool { settings.mailbox.tls != .none }

    /// The servers of a configuration; those of `old` that are still the same are taken over, others are asked at once
    /// whether they are there.
    ///
    /// - Parameter file: the configuration's path, for the message.
    static func all(
        of configuration: ClusterConfiguration, file: String, heloName: String, keeping old: [HubServer], logger: Logger
    ) throws(StartFailure) -> [HubServer] {
        var all: [HubServer] = []
        var new: [HubServer] = []
        for mailbox in configuration.mailboxes {
            let settings = Settings(mailbox, configuration, heloName: heloName)
            if let kept = old.first(where: { $0.settings == settings && !$0.dependsOnFiles }) {
                all.append(kept)
            } else {
                new.append(try HubServer(settings, file: file, logger: logger))
                all += new.suffix(1)
            }
        }
        for server in new { server.destination.start() }
        return all
    }
}
