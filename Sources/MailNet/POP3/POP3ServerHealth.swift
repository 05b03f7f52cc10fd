internal import CoveyCore
internal import Logging
internal import MailWire
internal import NIOCore
internal import Synchronization

/// Keeps the servers' health for all sessions of a proxy, and probes those that are skipped: a connection and its
/// greeting. A server that is down costs the first logins a timeout, and no other.
final class POP3ServerHealth: Sendable {
    private struct State {
        var records: [ServerHealthRecord]
        var isStopped = false
    }

    private let servers: [POP3ProxySettings.Server]
    private let times: POP3ProxySettings.Times
    private let group: any EventLoopGroup
    private let logger: Logger
    private let state: Mutex<State>

    init(settings: POP3ProxySettings, group: any EventLoopGroup, logger: Logger) {
        servers = settings.servers
        times = settings.times
        self.group = group
        self.logger = logger
        let record = ServerHealthRecord(interval: settings.times.probeInterval)
        state = Mutex(State(records: settings.servers.map { _ in record }))
    }

    /// Whether logins leave this server out.
    func isSkipped(_ server: Int) -> Bool {
        state.withLock { $0.records[server].isSkipped }
    }

    /// For monitoring.
    var snapshot: [ProxySnapshot.Server] {
        state.withLock { state in
            zip(servers, state.records).map { .init(name: $0.name, isSkipped: $1.isSkipped) }
        }
    }

    /// The server answered a login, with whatever words.
    func answered(_ server: Int) {
        state.withLock { $0.records[server].answered() }
    }

    /// The server is down, or slower than `login_timeout`.
    func failed(_ server: Int, reason: String) {
        guard case .skip(let wait) = state.withLock({ $0.records[server].failed() }) else { return }
        logger.warning(
            "Mailbox server is skipped at logins until a probe reaches it",
            metadata: ["server": "\(servers[server].name)", "reason": "\(reason)"])
        probe(server, after: wait)
    }

    /// No further probe begins.
    func stop() {
        state.withLock { $0.isStopped = true }
    }

    private func probe(_ server: Int, after wait: TimeAmount) {
        let loop = group.next()
        loop.scheduleTask(in: wait) {
            guard !self.state.withLock({ $0.isStopped }) else { return }
            let backend = POP3Backend(eventLoop: loop, responseTimeout: self.times.login)
            let greeting = POP3Backend.statusReceiver { result in
                guard case .success(let status) = result, status.isOK else {
                    backend.close()
                    return self.probe(server, after: self.times.probeInterval)
                }
                backend.quit(within: self.times.login)
                self.state.withLock { $0.records[server].probed() }
                self.logger.notice(
                    "Mailbox server is let in at logins again", metadata: ["server": "\(self.servers[server].name)"])
            }
            backend.open(
                self.servers[server].endpoint, tls: self.servers[server].tls, connectTimeout: self.times.login,
                greeting: greeting)
        }
    }
}
