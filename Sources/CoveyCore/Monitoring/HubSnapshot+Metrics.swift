extension HubSnapshot {
    /// What `/metrics` shows.
    public var metrics: [Metric] {
        let counted =
            servers.map { figures.server($0.name) }
            + figures.servers.filter { past in
                !servers.contains { $0.name == past.name }
            }
        return [
            Metric(
                "covey_milter_messages_total", .counter, "Messages answered for, by what the MTA was told.",
                HubFigures.Door.allCases.flatMap { door in
                    HubFigures.Verdict.allCases.map { verdict in
                        Metric.Sample(
                            [.init("door", door.label), .init("verdict", verdict.label)],
                            .integer(figures.messages(verdict, at: door)))
                    }
                }),
            Metric(
                "covey_milter_message_bytes_total", .counter, "Bodies of these messages, each counted once.",
                figures.octets),
            Metric(
                "covey_milter_copies_total", .counter,
                "Copies for one recipient on one mailbox server, by what became of them.",
                counted.flatMap { server in
                    HubFigures.CopyResult.allCases.map { result in
                        Metric.Sample(
                            [.init("server", server.name), .init("result", result.label)],
                            .integer(server.copies[result.rawValue]))
                    }
                }),
            Metric(
                "covey_milter_missing_copies_total", .counter, "Copies left to the MTA's queue.", by: "server",
                counted.map { ($0.name, $0.missing) }),
            Metric(
                "covey_milter_delivery_duration_seconds", .histogram,
                "Time until a mailbox server had answered for all recipients of a message.",
                counted.map { Metric.Sample([.init("server", $0.name)], .histogram($0.latency)) }),
            Metric(
                "covey_milter_server_up", .gauge, "Whether the mailbox server answers.", by: "server",
                servers.map { ($0.name, $0.isUp ? 1 : 0) }),
            Metric("covey_milter_deliveries", .gauge, "Messages being delivered now.", deliveries),
            Metric("covey_milter_spool_bytes", .gauge, "Large bodies in temporary files.", spool),
            Metric("covey_milter_spool_limit_bytes", .gauge, "milter.spool_limit.", spoolLimit),
        ] + queueMetrics + process.metrics
    }

    /// Of the MTA's queue; no samples where it was never read.
    private var queueMetrics: [Metric] {
        guard let lookedAt = queue.lookedAt else { return [] }
        let names =
            servers.map(\.name)
            + queue.servers.keys.filter { name in
                !servers.contains { $0.name == name }
            }.sorted()
        func gauge(
            _ name: String, _ help: String, _ value: (MissingCopyGauges.Server) -> Int?
        ) -> Metric {
            Metric(
                name, .gauge, help, by: "server", names.map { ($0, value(queue.servers[$0] ?? .init())) })
        }
        return [
            gauge("covey_milter_queued_copies", "Missing copies in the MTA's queue.", \.waiting),
            gauge("covey_milter_queued_copies_refused", "Of these, refused for good by the server.", \.refused),
            gauge(
                "covey_milter_queued_copies_ending", "Of these, near the end of their time in the queue.", \.ending),
            gauge(
                "covey_milter_queued_copy_oldest_timestamp_seconds", "When the oldest of these was accepted.",
                \.oldestArrival),
            Metric(
                "covey_milter_given_up_copies_total", .counter, "Missing copies that the MTA gave up.", queue.givenUp),
            Metric(
                "covey_milter_queue_read_timestamp_seconds", .gauge, "When the MTA's queue was last read.", lookedAt),
        ]
    }
}
