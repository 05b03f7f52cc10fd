internal import CoveyCore
internal import NIOCore

/// One user's maildrop on one mailbox server, opened once more with the login of a session that is over.
struct LoginMaildrops: MaildropReader {
    let server: Int
    let login: POP3ServerOpening.Login
    let settings: POP3ProxySettings
    let cache: UniqueIDCache
    let group: any EventLoopGroup

    var name: String { settings.servers[server].name }

    func open(_ user: String) async throws -> any MaildropSession {
        precondition(user == login.user, "a login opens its own user's maildrop only")
        return try await POP3MaildropSession.open(
            server: server, login: login, settings: settings, cache: cache, group: group)
    }
}

extension HealingRequest {
    /// Copies that one session reports at most: a server that lacks more needs `covey resync`.
    private static let mostCopies = 1_000

    /// What a session saw; nil where no server can lack anything.
    ///
    /// - Parameter servers: of the session.
    init?(
        _ maildrop: MergedMaildrop, servers: [Int], login: POP3ServerOpening.Login, shared: POP3Shared,
        group: any EventLoopGroup
    ) {
        guard servers.count > 1 else { return nil }
        let names = shared.settings.servers
        let lacking = maildrop.lacking(among: servers, most: HealingRequest.mostCopies).map {
            LackingCopy(id: maildrop.ids[$0.message], server: names[$0.server].name)
        }
        self.init(
            user: login.user, asked: Set(servers.map { names[$0].name }), lacking: lacking,
            // Without need the password is not kept.
            maildrops: lacking.isEmpty
                ? []
                : servers.map {
                    LoginMaildrops(
                        server: $0, login: login, settings: shared.settings, cache: shared.cache, group: group)
                })
    }
}
