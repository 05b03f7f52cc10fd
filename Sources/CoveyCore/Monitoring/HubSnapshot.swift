/// covey-milter at one moment.
public struct HubSnapshot: Sendable {
    /// A mailbox server behind its circuit breaker.
    public struct Server: Sendable, Equatable {
        public var name: String
        public var isUp: Bool
        /// Why it is not.
        public var reason: String?

        public init(name: String, isUp: Bool, reason: String? = nil) {
            self.name = name
            self.isUp = isUp
            self.reason = reason
        }
    }

    public var host: String
    /// Seconds since 1970.
    public var now: Int
    public var started: Int
    public var figures: HubFigures
    /// In configuration order.
    public var servers: [Server]
    public var minCopies: ClusterConfiguration.Milter.MinCopies
    public var queue: MissingCopyGauges
    /// Octets of bodies in temporary files, and `milter.spool_limit`.
    public var spool: Int
    public var spoolLimit: Int
    /// Messages that are being delivered.
    public var deliveries: Int
    public var process: ProcessFigures

    public init(
        host: String, now: Int, started: Int, figures: HubFigures, servers: [Server],
        minCopies: ClusterConfiguration.Milter.MinCopies, queue: MissingCopyGauges, spool: Int, spoolLimit: Int,
        deliveries: Int, process: ProcessFigures
    ) {
        self.host = host
        self.now = now
        self.started = started
        self.figures = figures
        self.servers = servers
        self.minCopies = minCopies
        self.queue = queue
        self.spool = spool
        self.spoolLimit = spoolLimit
        self.deliveries = deliveries
        self.process = process
    }

    // MARK: status

    public var status: DaemonStatus {
        DaemonStatus(
            daemon: .milter, host: host, now: now, started: started, problems: problems,
            servers: servers.map(status),
            figures: HubFigures.Verdict.allCases.map {
                .init("messages_\($0.label)", HubSnapshot.title(of: $0), figures.messages($0))
            } + [
                .init("deliveries", "Being delivered now", deliveries),
                .init("copies_given_up", "Missing copies given up", queue.givenUp),
                .init("message_octets", "Bodies of all messages", figures.octets, .octets),
                .init("spool_octets", "Large bodies in temporary files", spool, .octets),
                .init("spool_limit_octets", "spool_limit", spoolLimit, .octets),
            ] + (queue.lookedAt.map { [.init("queue_read", "Queue last read", $0, .moment)] } ?? []))
    }

    private func status(_ server: Server) -> DaemonStatus.Server {
        let counted = figures.server(server.name)
        let queued = queue.servers[server.name] ?? .init()
        var list: [DaemonStatus.Figure] = [
            .init("copies_stored", "Copies stored", counted.stored),
            .init("copies_missing", "Left to the queue", counted.missing),
        ]
        if queue.lookedAt != nil {
            list += [
                .init("copies_waiting", "Wait in the queue", queued.waiting),
                .init("copies_refused", "Of these refused", queued.refused),
                .init("copies_ending", "Of these near the end", queued.ending),
            ]
        }
        if let oldest = queued.oldestArrival { list.append(.init("oldest_waiting", "Oldest", oldest, .moment)) }
        return .init(
            name: server.name, isUp: server.isUp, reason: server.reason, figures: list, latency: counted.latency)
    }

    private static func title(of verdict: HubFigures.Verdict) -> String {
        switch verdict {
        case .delivered: "Delivered everywhere"
        case .passedOn: "Passed on to the queue"
        case .stamped: "Only stamped"
        case .tempfailed: "Put off (4xx)"
        case .rejected: "Rejected (5xx)"
        }
    }

    private var problems: [DaemonStatus.Problem] {
        var problems: [DaemonStatus.Problem] = []
        let up = servers.count(where: \.isUp)
        let wanted =
            switch minCopies {
            case .count(let count): min(count, servers.count)
            case .all: servers.count
            }
        if up < wanted {
            problems.append(
                .init(
                    .down,
                    "\(up) of \(servers.count) mailbox servers answer, min_copies asks for \(wanted): mail is put off"))
        }
        for server in servers where !server.isUp {
            problems.append(
                .init(.degraded, "mailbox server \(server.name) does not answer: \(server.reason ?? "no reason given")")
            )
        }
        for (name, copies) in queue.servers.sorted(by: { $0.key < $1.key }) {
            if copies.refused > 0 {
                problems.append(.init(.degraded, "missing copies that \(name) refuses for good: \(copies.refused)"))
            }
            if copies.ending > 0 {
                problems.append(
                    .init(.degraded, "missing copies for \(name) near the end of their time: \(copies.ending)"))
            }
            let others = copies.waiting - copies.refused
            if others > 0 { problems.append(.init(.degraded, "missing copies that wait for \(name): \(others)")) }
        }
        return problems
    }
}
