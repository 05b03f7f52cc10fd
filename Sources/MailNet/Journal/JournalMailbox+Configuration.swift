public import CoveyCore
internal import MailWire
public import NIOCore

extension JournalMailbox {
    /// The journals of all mailbox servers, in configuration order. Throws `ServerTLS.UnusableCertificates`.
    ///
    /// - Parameters:
    ///   - password: of the journal's mailbox.
    ///   - host: name of this host.
    public static func all(
        of configuration: ClusterConfiguration, password: Secret, host: String, group: any EventLoopGroup
    ) throws -> [JournalMailbox] {
        let timeout = TimeAmount(configuration.pop3.loginTimeout)
        return try configuration.mailboxes.map { server in
            JournalMailbox(
                name: server.name,
                settings: .init(
                    mailbox: configuration.journal.mailbox, password: password, endpoint: server.pop3,
                    tls: try ServerTLS(server), timeout: timeout),
                delivery: try LMTPServer(server, of: configuration, host: host, replyTimeout: timeout, group: group),
                group: group)
        }
    }
}

extension LMTPServer {
    /// A mailbox server as a destination of what a proxy or the operator's command writes.
    public convenience init(
        _ server: ClusterConfiguration.MailboxServer, of configuration: ClusterConfiguration, host: String,
        replyTimeout: TimeAmount, group: any EventLoopGroup
    ) throws {
        self.init(
            name: server.name,
            settings: .init(
                endpoint: server.delivery, dialect: server.deliveryProtocol == .lmtp ? .lmtp : .smtp,
                heloName: host, connectTimeout: TimeAmount(configuration.milter.connectTimeout),
                replyTimeout: replyTimeout, tls: try ServerTLS(server)),
            group: group)
    }
}
