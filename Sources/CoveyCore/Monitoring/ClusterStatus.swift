/// The whole cluster, put together from what its daemons and mailbox servers answered: what `covey status` prints.
public struct ClusterStatus: Sendable {
    /// What came of asking one daemon.
    public enum Answer: Sendable, Equatable {
        case status(DaemonStatus)
        /// It was asked and did not answer; why.
        case none(String)
        /// `monitor.listen` cannot be reached from here; why.
        case notAsked(String)
    }

    /// A daemon that the configuration has.
    public struct Daemon: Sendable, Equatable {
        public var host: String
        public var daemon: DaemonStatus.Daemon
        public var answer: Answer

        public init(host: String, daemon: DaemonStatus.Daemon, answer: Answer) {
            self.host = host
            self.daemon = daemon
            self.answer = answer
        }

        var status: DaemonStatus? { if case .status(let status) = answer { status } else { nil } }
    }

    /// Whether a mailbox server takes mail, or gives it out.
    public enum Service: Sendable, Equatable {
        case up
        /// For whom (hosts, or "here"), and why.
        case down(for: [String], reason: String)
        /// Up for others.
        case partlyDown(for: [String], reason: String)
        case unknown

        var word: String {
            switch self {
            case .up: "up"
            case .down: "down"
            case .partlyDown: "partly down"
            case .unknown: "unknown"
            }
        }
    }

    public struct Server: Sendable, Equatable {
        public var name: String
        public var delivery: Service
        public var pop3: Service
        /// Copies for it in the queues of the hubs that tell; nil where none does.
        public var waiting: Int?
    }

    /// Hubs first, then proxies, in configuration order.
    public let daemons: [Daemon]
    public let servers: [Server]

    /// What came of asking a mailbox server's port directly.
    public typealias Probe = @Sendable (_ server: String, _ port: Port) -> ProbeResult
    public enum Port: Sendable { case delivery, pop3 }
    public enum ProbeResult: Sendable, Equatable {
        case answered
        case noAnswer(String)
        case notAsked
    }

    /// - Parameters:
    ///   - servers: names, in configuration order.
    ///   - probe: what the servers' ports said when they were asked from here; counts only where no daemon tells.
    public init(daemons: [Daemon], servers names: [String], probe: Probe) {
        self.daemons = daemons
        let hubs = daemons.filter { $0.daemon == .milter }.compactMap(\.status)
        let proxies = daemons.filter { $0.daemon == .pop3d }.compactMap(\.status)
        servers = names.map { name in
            let queued = hubs.compactMap { hub in
                hub.servers.first { $0.name == name }?.figure("copies_waiting")
            }
            return Server(
                name: name, delivery: ClusterStatus.service(name, hubs, probe(name, .delivery)),
                pop3: ClusterStatus.service(name, proxies, probe(name, .pop3)),
                waiting: queued.isEmpty ? nil : queued.reduce(0, +))
        }
    }

    private static func service(_ name: String, _ told: [DaemonStatus], _ probe: ProbeResult) -> Service {
        let words = told.compactMap { status in
            status.servers.first { $0.name == name }.map { (host: status.host, server: $0) }
        }
        let down = words.filter { !$0.server.isUp }
        if let first = down.first {
            let (hosts, reason) = (down.map(\.host), first.server.reason ?? "no reason given")
            return down.count == words.count
                ? .down(for: hosts, reason: reason) : .partlyDown(for: hosts, reason: reason)
        }
        if !words.isEmpty { return .up }
        switch probe {
        case .answered: return .up
        case .noAnswer(let reason): return .down(for: ["here"], reason: reason)
        case .notAsked: return .unknown
        }
    }

    // MARK: verdict

    /// Down: no hub can take mail, no proxy can show any, or no mailbox server takes or gives mail; a daemon that could
    /// not be asked is given the benefit of the doubt. Degraded: something that was asked is not as it should be.
    public var state: DaemonStatus.State {
        if isDown { return .down }
        let isSound =
            daemons.allSatisfy { daemon in
                switch daemon.answer {
                case .status(let status): status.state == .ok
                case .none: false
                case .notAsked: true
                }
            }
            && servers.allSatisfy { server in
                [server.delivery, server.pop3].allSatisfy { $0 == .up || $0 == .unknown }
            }
        return isSound ? .ok : .degraded
    }

    private var isDown: Bool {
        for kind in DaemonStatus.Daemon.allCases {
            let all = daemons.filter { $0.daemon == kind }
            let isServing = all.contains { daemon in
                switch daemon.answer {
                case .status(let status): status.state != .down
                case .none: false
                case .notAsked: true
                }
            }
            if !all.isEmpty, !isServing { return true }
        }
        func isDown(_ service: Service) -> Bool { if case .down = service { true } else { false } }
        return servers.allSatisfy { isDown($0.delivery) } || servers.allSatisfy { isDown($0.pop3) }
    }

    /// For monitoring: 0 ok, 1 degraded, 2 down.
    public var exitStatus: Int32 {
        switch state {
        case .ok: 0
        case .degraded: 1
        case .down: 2
        }
    }
}
