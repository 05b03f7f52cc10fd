internal import Logging
internal import MailWire
internal import NIOCore
internal import Synchronization

/// What the mailbox servers can do, as each said last: what a mail program is offered before anybody has logged in.
///
/// Every login brings it up to date; of a server that no login has reached for a minute it is asked for.
final class POP3ServerFeatures: Sendable {
    private struct State {
        var capabilities: [POP3ServerCapabilities?]
        /// When each was learned last.
        var learned: [NIODeadline?]
        /// Servers that were reported for not taking XCLIENT.
        var isReported: [Bool]
        var isStopped = false
    }

    /// Between two attempts to ask a server that does not answer.
    private static let retry = TimeAmount.seconds(10)
    /// What is known for longer is asked for again.
    private static let validity = TimeAmount.minutes(1)

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
                capabilities: settings.servers.map { _ in nil }, learned: settings.servers.map { _ in nil },
                isReported: settings.servers.map { _ in false }))
    }

    /// What a session that begins now is offered: of the servers that were ever reached, leaving out those that logins
    /// skip.
    func offer(health: POP3ServerHealth) -> POP3Offer {
        let capabilities = state.withLock(\.capabilities)
        return POP3Offer(
            servers: capabilities.indices.filter { !health.isSkipped($0) }.compactMap { capabilities[$0] })
    }

    func learned(_ server: Int, _ capabilities: POP3ServerCapabilities) {
        state.withLock {
            $0.capabilities[server] = capabilities
            $0.learned[server] = .now()
        }
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

    /// Asks all servers, now and from then on.
    func ask() {
        for server in settings.servers.indices { ask(server, after: .zero) }
    }

    /// No further question is asked.
    func stop() {
        state.withLock { $0.isStopped = true }
    }

    private func ask(_ server: Int, after wait: TimeAmount) {
        let loop = group.next()
        loop.scheduleTask(in: wait) {
            let (isStopped, learned) = self.state.withLock { ($0.isStopped, $0.learned[server]) }
            guard !isStopped else { return }
            if let learned, learned + POP3ServerFeatures.validity > .now() {
                return self.ask(server, after: learned + POP3ServerFeatures.validity - .now())
            }
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
                self.learned(server, POP3ServerCapabilities(lines: lines))
                self.ask(server, after: POP3ServerFeatures.validity)
                backend.close()
            case .failed: self.failed(server, backend)
            case .status, .challenge, .body: break
            }
        }
        backend.flush()
    }

    private func failed(_ server: Int, _ backend: POP3Backend) {
        backend.close()
        ask(server, after: POP3ServerFeatures.retry)
    }
}
