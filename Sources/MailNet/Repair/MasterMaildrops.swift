public import CoveyCore
internal import MailWire
public import NIOCore

/// The maildrops of one mailbox server, opened with a Dovecot master user: login name `user*master`
/// (auth_master_user_separator), password the master user's. Copies go in by LMTP.
public final class MasterMaildrops: MaildropServer {
    /// How to log in as any user.
    public struct Master: Sendable {
        public var name: String
        public var password: Secret
        /// Between the user's name and the master user's.
        public var separator: String

        public init(name: String, password: Secret, separator: String) {
            self.name = name
            self.password = password
            self.separator = separator
        }
    }

    public let name: String
    private let server: Int
    private let settings: POP3ProxySettings
    private let master: Master
    private let delivery: LMTPServer
    private let group: any EventLoopGroup
    private let cache = UniqueIDCache(capacity: 0)

    /// - Parameters:
    ///   - server: its place in the configuration.
    ///   - delivery: the same server as a destination of mail.
    public init(
        server: Int, settings: POP3ProxySettings, master: Master, delivery: LMTPServer, group: any EventLoopGroup
    ) {
        name = settings.servers[server].name
        self.server = server
        self.settings = settings
        self.master = master
        self.delivery = delivery
        self.group = group
    }

    public func open(_ user: String) async throws -> any MaildropSession {
        try await POP3MaildropSession.open(
            server: server,
            login: .init(
                user: "\(user)\(master.separator)\(master.name)",
                password: POP3Password(octets: Array(master.password.exposed.utf8)), client: nil),
            settings: settings, cache: cache, group: group)
    }

    public func store(_ copy: StoredCopy, for user: String) async -> String? {
        await LMTPCopyStore(delivery).store(copy, for: user)
    }
}
