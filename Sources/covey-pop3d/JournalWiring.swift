import CoveyCore
import Glibc
import Logging
import MailNet
import MailWire
import NIOCore
import Replication

/// A journal's mailbox as the journal's keeper wants it.
struct MailboxJournalStore: JournalStore {
    let mailbox: JournalMailbox

    var name: String { mailbox.name }

    func read(known: Set<String>) async throws -> JournalReading {
        let (uniqueIDs, new) = try await mailbox.read(known: known)
        return JournalReading(uniqueIDs: uniqueIDs, new: new.map { ($0.uniqueID, $0.octets) })
    }

    func append(_ text: ByteBuffer) async -> Bool {
        await mailbox.append(text)
    }

    func remove(_ uniqueIDs: Set<String>) async throws {
        try await mailbox.remove(uniqueIDs)
    }
}

extension JournalKeeper {
    /// The journals of all mailbox servers of a configuration.
    ///
    /// Throws `ServerTLS.UnusableCertificates`.
    ///
    /// - Parameter password: of the journal's mailbox.
    init(
        _ configuration: ClusterConfiguration, password: Secret, host: String, group: any EventLoopGroup, logger: Logger
    ) throws {
        let journal = configuration.journal
        let timeout = TimeAmount(configuration.pop3.loginTimeout)
        let stores = try configuration.mailboxes.map { server in
            let tls = try ServerTLS(server)
            let delivery = LMTPServer(
                name: server.name,
                settings: .init(
                    endpoint: server.delivery, dialect: server.deliveryProtocol == .lmtp ? .lmtp : .smtp,
                    heloName: host, connectTimeout: TimeAmount(configuration.milter.connectTimeout),
                    replyTimeout: timeout, tls: tls),
                group: group)
            return MailboxJournalStore(
                mailbox: JournalMailbox(
                    name: server.name,
                    settings: .init(
                        mailbox: journal.mailbox, password: password, endpoint: server.pop3, tls: tls,
                        timeout: timeout),
                    delivery: delivery, group: group))
        }
        self.init(
            stores: stores, key: configuration.cluster.key,
            settings: .init(
                mailbox: journal.mailbox, host: host, expire: Int(journal.expire.components.seconds),
                poll: journal.poll, patience: configuration.pop3.loginTimeout),
            logger: logger, wallClock: { time(nil) })
    }
}
