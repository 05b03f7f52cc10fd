/// covey-pop3d at one moment.
public struct ProxySnapshot: Sendable {
    /// A mailbox server, as logins see it.
    public struct Server: Sendable, Equatable {
        public var name: String
        /// Whether logins leave it out until a probe reaches it.
        public var isSkipped: Bool

        public init(name: String, isSkipped: Bool) {
            self.name = name
            self.isSkipped = isSkipped
        }
    }

    public var host: String
    /// Seconds since 1970.
    public var now: Int
    public var started: Int
    public var figures: ProxyFigures
    /// In configuration order.
    public var servers: [Server]
    /// Nil where no journal is kept.
    public var journal: JournalFigures?
    /// Nil where no journal is kept: nothing is healed without it.
    public var healing: HealingFigures?
    /// Client connections now, and `pop3.max_connections`.
    public var connections: Int
    public var mostConnections: Int
    /// No new connections are taken any more.
    public var isStopping: Bool
    public var process: ProcessFigures

    public init(
        host: String, now: Int, started: Int, figures: ProxyFigures, servers: [Server], journal: JournalFigures?,
        healing: HealingFigures? = nil, connections: Int, mostConnections: Int, isStopping: Bool,
        process: ProcessFigures
    ) {
        self.host = host
        self.now = now
        self.started = started
        self.figures = figures
        self.servers = servers
        self.journal = journal
        self.healing = healing
        self.connections = connections
        self.mostConnections = mostConnections
        self.isStopping = isStopping
        self.process = process
    }

    /// By the last that was heard of the server: at a login, or when its journal was read.
    func isUp(_ server: Server) -> Bool { !server.isSkipped && journal?[server.name]?.isServerSilent != true }

    // MARK: status

    public var status: DaemonStatus {
        DaemonStatus(
            daemon: .pop3d, host: host, now: now, started: started, problems: problems, servers: servers.map(status),
            figures: [
                .init("sessions", "Sessions now", figures.openSessions),
                .init("connections", "Connections now", connections),
                .init("max_connections", "max_connections", mostConnections),
                .init("connections_refused", "Connections refused", figures.refusedConnections),
                .init("logins_accepted", "Logins", figures.logins(.accepted)),
                .init("logins_refused", "Refused logins", figures.logins(.refused)),
                .init("logins_unavailable", "Logins without any server", figures.logins(.unavailable)),
                .init("messages_retrieved", "Messages fetched", figures.retrieved),
                .init("messages_broken_off", "Messages broken off", figures.brokenOff),
                .init("message_octets", "Sent to mail programs", figures.octets, .octets),
                .init("messages_deleted", "Messages deleted", figures.deleted),
                .init("updates_failed", "Failed deletions at QUIT", figures.failedUpdates),
            ]
                + (journal.map {
                    [
                        .init("journal_entries", "Journal entries", $0.entries),
                        .init("journal_pending", "Journal entries waiting", $0.pending),
                    ]
                } ?? [])
                + (healing.map {
                    [
                        .init("copies_made_anew", "Missing copies made anew", $0.made),
                        .init("copies_not_made", "Missing copies not made", $0.failed),
                    ]
                } ?? []),
            latency: figures.loginLatency, failovers: figures.recentFailovers.reversed())
    }

    private func status(_ server: Server) -> DaemonStatus.Server {
        let journal = journal?[server.name]
        var list: [DaemonStatus.Figure] = [
            .init("left_out", "Logins without it", figures.leftOut[server.name] ?? 0),
            .init("failovers", "Failovers from it", figures.failoversFrom[server.name] ?? 0),
        ]
        if let journal {
            list += [
                .init("journal_readable", "Journal can be read", journal.isReadable ? 1 : 0, .flag),
                .init("journal_missing", "Entries its journal lacks", journal.missing),
                .init("journal_foreign", "Foreign messages there", journal.foreign),
                .init("lost_touch", "Has lost touch", journal.hasLostTouch ? 1 : 0, .flag),
            ]
        }
        return .init(name: server.name, isUp: isUp(server), reason: reason(server), figures: list)
    }

    private func reason(_ server: Server) -> String? {
        guard !isUp(server) else { return nil }
        if let journal = journal?[server.name], journal.isServerSilent { return journal.reason }
        return "three logins in a row could not reach it"
    }

    private var problems: [DaemonStatus.Problem] {
        var problems: [DaemonStatus.Problem] = []
        if isStopping { problems.append(.init(.down, "stopping: no new connections")) }
        if servers.allSatisfy({ !isUp($0) }) {
            problems.append(.init(.down, "no mailbox server answers: nobody can log in"))
        }
        for server in servers where !isUp(server) {
            problems.append(
                .init(
                    .degraded, "mailbox server \(server.name) does not answer: \(reason(server) ?? "no reason given")"))
        }
        if connections >= mostConnections {
            problems.append(.init(.degraded, "max_connections is reached: \(connections)"))
        }
        guard let journal else {
            problems.append(.init(.degraded, "no journal.password: deletions need every mailbox server"))
            return problems
        }
        if journal.servers.allSatisfy({ !$0.isReadable }) {
            problems.append(.init(.degraded, "no journal can be read: deletions need every mailbox server"))
        }
        for server in journal.servers {
            if !server.isReadable, !server.isServerSilent {
                problems.append(
                    .init(
                        .degraded, "the journal of \(server.name) cannot be read: \(server.reason ?? "no reason given")"
                    ))
            }
            if server.hasLostTouch {
                problems.append(
                    .init(
                        .degraded, "mailbox server \(server.name) has lost touch: run covey resync --to \(server.name)")
                )
            }
            if server.foreign > 0 {
                problems.append(
                    .init(.degraded, "messages in the journal of \(server.name) that are not ours: \(server.foreign)"))
            }
        }
        return problems
    }
}
