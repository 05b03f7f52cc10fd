extension ProxySnapshot {
    /// What `/metrics` shows.
    public var metrics: [Metric] {
        trafficMetrics + serverMetrics + journalMetrics + healingMetrics + process.metrics
    }

    private var trafficMetrics: [Metric] {
        [
            Metric("covey_pop3d_connections", .gauge, "Connections of mail programs now.", connections),
            Metric("covey_pop3d_connections_limit", .gauge, "pop3.max_connections.", mostConnections),
            Metric("covey_pop3d_connections_total", .counter, "Connections taken.", figures.connections),
            Metric(
                "covey_pop3d_connections_refused_total", .counter, "Connections refused for max_connections.",
                figures.refusedConnections),
            Metric("covey_pop3d_sessions", .gauge, "Sessions with a maildrop open.", figures.openSessions),
            Metric(
                "covey_pop3d_connections_ended_total", .counter, "Connections that ended, by how.", by: "end",
                figures.ends.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }),
            Metric(
                "covey_pop3d_logins_total", .counter, "Logins, by result.", by: "result",
                ProxyFigures.LoginResult.allCases.map { ($0.label, figures.logins($0)) }),
            Metric(
                "covey_pop3d_login_duration_seconds", .histogram,
                "Time from the password to the open maildrop.",
                [.init([], .histogram(figures.loginLatency))]),
            Metric("covey_pop3d_retrieved_messages_total", .counter, "Messages fetched whole.", figures.retrieved),
            Metric(
                "covey_pop3d_broken_off_messages_total", .counter,
                "Messages that no server could bring to their end.", figures.brokenOff),
            Metric("covey_pop3d_sent_bytes_total", .counter, "Messages sent to mail programs.", figures.octets),
            Metric("covey_pop3d_deleted_messages_total", .counter, "Messages deleted at QUIT.", figures.deleted),
            Metric(
                "covey_pop3d_failed_updates_total", .counter,
                "QUITs with deletions neither carried out nor on record.", figures.failedUpdates),
        ]
    }

    private var serverMetrics: [Metric] {
        let names = servers.map(\.name)
        func counter(_ name: String, _ help: String, _ values: [String: Int]) -> Metric {
            let past = values.keys.filter { !names.contains($0) }.sorted()
            return Metric(name, .counter, help, by: "server", (names + past).map { ($0, values[$0] ?? 0) })
        }
        return [
            Metric(
                "covey_pop3d_server_up", .gauge, "Whether the mailbox server answers.", by: "server",
                servers.map { ($0.name, isUp($0) ? 1 : 0) }),
            counter(
                "covey_pop3d_left_out_total", "Logins that went on without the mailbox server.", figures.leftOut),
            counter(
                "covey_pop3d_failovers_total",
                "Messages that another mailbox server went on with after this one failed.", figures.failoversFrom),
        ]
    }

    private var healingMetrics: [Metric] {
        guard let healing else { return [] }
        return [
            Metric(
                "covey_pop3d_healed_copies_total", .counter,
                "Tries to make a copy anew that a mailbox server had lacked for heal_after, by result.", by: "result",
                [("made", healing.made), ("failed", healing.failed)])
        ]
    }

    private var journalMetrics: [Metric] {
        guard let journal else { return [] }
        func gauge(_ name: String, _ help: String, _ value: (JournalFigures.Server) -> Int) -> Metric {
            Metric(name, .gauge, help, by: "server", journal.servers.map { ($0.name, value($0)) })
        }
        return [
            Metric("covey_pop3d_journal_entries", .gauge, "Deletions known.", journal.entries),
            Metric(
                "covey_pop3d_journal_pending_entries", .gauge, "Deletions that wait to be written to the journals.",
                journal.pending),
            gauge("covey_pop3d_journal_readable", "Whether the journal can be read.") { $0.isReadable ? 1 : 0 },
            gauge("covey_pop3d_journal_missing_entries", "Deletions that the journal lacks.", \.missing),
            gauge(
                "covey_pop3d_journal_foreign_messages", "Messages in the journal that are not ours.", \.foreign),
            gauge("covey_pop3d_server_lost_touch", "Whether the mailbox server has lost touch.") {
                $0.hasLostTouch ? 1 : 0
            },
        ]
    }
}
