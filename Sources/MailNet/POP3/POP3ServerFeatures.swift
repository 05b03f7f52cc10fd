internal import Logging
internal import MailWire
internal import NIOCore
internal import Synchronization

/// What the mailbox servers can do, as each said last: what a mail program is offered before anybody has logged in.
///
/// Every login brings it up to date; what no login has told is asked for once, by a connection of its own.
final class POP3ServerFeatures: Sendable {
    private struct State {
        var capabilities: [POP3ServerCapabilities?]
        /// Servers that were reported for not taking XCLIENT.
        var isReported: [Bool]
        var isStopped = false
    }

    /// Between two attempts to ask a server that no login has reached yet.
    private static let interval = TimeAmount.seconds(10)

    private let settings: POP3ProxySettings
    private let group: any EventLoopGroup
    private let logger: Logger
    private let state: Mutex<State>

    init(settings: POP3ProxySettings, group: any EventLoopGroup, logger: Logger) {
        self.settings = settings
        self.group = group
        self.logger = logger
        state = Mutex(
            State(
                capabilities: settings.servers.map { _ in nil }, isReported: settings.servers.map { _ in false }))
    }

    /// What a session that begins now is offered: of the servers that were ever reached, leaving out those that logins
    /// skip.
    func offer(health: POP3ServerHealth) -> POP3Offer {
        let capabilities = state.withLock(\.capabilities)
        return POP3Offer(
            servers: capabilities.indices.filter { !health.isSkipped($0) }.compactMap { capabilities[$0] })
    }

    func learned(_ server: Int, _ capabilities: POP3ServerCapabilities) {
        state.withLock { $0.capabilities[server] = capabilities }
    }

    /// Whether the server lets itself be told a client's address. Without it Dovecot charges wrong passwords to the
    /// proxy, and one guesser keeps everybody out (facts 44): told once, and again when it is news again.
    func noteXCLIENT(_ server: Int, isOffered: Bool) {
        let isNews = state.withLock { state in
            defer { state.isReported[server] = !isOffered }
            return !isOffered && !state.isReported[server]
        }
        guard isNews else { return }
        logger.warning(
            "Mailbox server does not offer XCLIENT to this proxy: it sees all clients under the proxy's address (login_trusted_networks)",
            metadata: ["server": "\(settings.servers[server].name)"])
    }

    /// Asks all servers that have not said anything yet, until they do.
    func ask() {
        for server in settings.servers.indices { ask(server) }
    }

    /// No further question is asked.
    func stop() {
        state.withLock { $0.isStopped = true }
    }

    private func isWanted(_ server: Int) -> Bool {
        state.withLock { !$0.isStopped && $0.capabilities[server] == nil }
    }

    private func ask(_ server: Int) {
        guard isWanted(server) else { return }
        let loop = group.next()
        loop.execute {
            let backend = POP3Backend(eventLoop: loop, responseTimeout: self.settings.times.login)
            let greeting = POP3Backend.statusReceiver { result in
                guard case .success(let status) = result, status.isOK else { return self.failed(server, backend) }
                self.noteXCLIENT(server, isOffered: status.code?.hasPrefix("XCLIENT") ?? false)
                self.askCapabilities(of: server, backend)
            }
            backend.open(
                self.settings.servers[server].endpoint, tls: self.settings.servers[server].tls,
                connectTimeout: self.settings.times.login, greeting: greeting)
        }
    }

    private func askCapabilities(of server: Int, _ backend: POP3Backend) {
        var lines: [String] = []
        backend.enqueue(.capa) { event in
            switch event {
            case .line(let line): if lines.count < POP3Limits.capabilities { lines.append(String(buffer: line)) }
            case .end:
                if self.isWanted(server) { self.learned(server, POP3ServerCapabilities(lines: lines)) }
                backend.close()
            case .failed: if self.isWanted(server) { self.failed(server, backend) }
            case .status, .challenge, .body: break
            }
        }
        backend.flush()
    }

    private func failed(_ server: Int, _ backend: POP3Backend) {
        backend.close()
        group.next().scheduleTask(in: POP3ServerFeatures.interval) { self.ask(server) }
    }
}
