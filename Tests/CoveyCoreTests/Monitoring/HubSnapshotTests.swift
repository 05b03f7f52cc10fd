import Testing

@testable import CoveyCore

@Suite struct HubSnapshotTests {
    static let refusal = ReplyText(code: 451, enhanced: "4.3.0", text: "busy")

    static func snapshot(
        up: [Bool] = [true, true], min: ClusterConfiguration.Milter.MinCopies = .count(1),
        queue: MissingCopyGauges = .init(), figures: HubFigures = .init()
    ) -> HubSnapshot {
        HubSnapshot(
            host: "mh1", now: 1_000, started: 400, figures: figures,
            servers: zip(["a", "b"], up).map { .init(name: $0, isUp: $1, reason: $1 ? nil : "Connection refused") },
            minCopies: min, queue: queue, spool: 10, spoolLimit: 20, deliveries: 3,
            process: .init(processorTime: 1.5, residentOctets: 4_096, openFiles: nil, mostFiles: 64, started: 400))
    }

    @Test(
        arguments: [
            ([true, true], ClusterConfiguration.Milter.MinCopies.count(1), DaemonStatus.State.ok),
            ([true, false], .count(1), .degraded),
            ([false, false], .count(1), .down),
            ([true, false], .count(2), .down),
            ([true, false], .all, .down),
            // More than there are servers counts as all of them.
            ([true, true], .count(5), .ok),
            ([false, false], .count(0), .degraded),
        ])
    func `a hub is down when it puts mail off`(
        up: [Bool], min: ClusterConfiguration.Milter.MinCopies, state: DaemonStatus.State
    ) {
        let status = Self.snapshot(up: up, min: min).status
        #expect(status.state == state)
        #expect(status.health.isServing == (state != .down))
        #expect(status.servers.map(\.isUp) == up)
        // Each server that is down is named, with its reason.
        for (name, isUp) in zip(["a", "b"], up) {
            let names = status.problems.contains {
                $0.text == "mailbox server \(name) does not answer: Connection refused"
            }
            #expect(names == !isUp)
        }
    }

    @Test func `copies in the queue are told by what is the matter with them`() {
        var queue = MissingCopyGauges()
        queue.lookedAt = 990
        queue.servers["b"] = .init(waiting: 7, refused: 2, ending: 1, oldestArrival: 100)
        let status = Self.snapshot(queue: queue).status
        #expect(status.state == .degraded)
        #expect(
            status.problems.map(\.text) == [
                "missing copies that b refuses for good: 2", "missing copies for b near the end of their time: 1",
                "missing copies that wait for b: 5",
            ])
        #expect(status.servers[1].figure("copies_waiting") == 7)
        #expect(status.servers[0].figure("copies_waiting") == 0)
        // Never read: not known, which is not the same as none.
        #expect(Self.snapshot().status.servers[1].figure("copies_waiting") == nil)
    }

    @Test func `figures count by door, verdict, server and result`() {
        var figures = HubFigures()
        figures.count(.delivered, at: .front, octets: 100)
        figures.count(.tempfailed, at: .back, octets: 5)
        figures.count(server: "a", [.stored, .stored], time: .milliseconds(4))
        figures.count(server: "b", [.stored, .refusedForNow(Self.refusal)], time: .milliseconds(40))
        // Nobody answered: its time says nothing about the server's.
        figures.count(server: "b", [.noAnswer("down"), .noAnswer("down")], time: .seconds(3))
        figures.countMissing(server: "b")
        #expect(figures.messages(.delivered) == 1)
        #expect(figures.messages(.tempfailed, at: .front) == 0)
        #expect(figures.server("a").stored == 2)
        #expect(figures.server("b").missing == 1)
        #expect(figures.server("b").latency.count == 1)

        let text = MetricText.encode(Self.snapshot(up: [true, false], figures: figures).metrics)
        for line in [
            "covey_milter_messages_total{door=\"front\",verdict=\"delivered\"} 1",
            "covey_milter_messages_total{door=\"back\",verdict=\"tempfailed\"} 1",
            "covey_milter_messages_total{door=\"back\",verdict=\"rejected\"} 0",
            "covey_milter_message_bytes_total 105",
            "covey_milter_copies_total{server=\"a\",result=\"stored\"} 2",
            "covey_milter_copies_total{server=\"b\",result=\"deferred\"} 1",
            "covey_milter_copies_total{server=\"b\",result=\"no_answer\"} 2",
            "covey_milter_missing_copies_total{server=\"b\"} 1",
            "covey_milter_server_up{server=\"a\"} 1", "covey_milter_server_up{server=\"b\"} 0",
            "covey_milter_delivery_duration_seconds_bucket{server=\"a\",le=\"0.005\"} 1",
            "covey_milter_delivery_duration_seconds_bucket{server=\"b\",le=\"0.025\"} 0",
            "covey_milter_delivery_duration_seconds_bucket{server=\"b\",le=\"0.05\"} 1",
            "covey_milter_spool_bytes 10", "covey_milter_deliveries 3", "process_max_fds 64",
        ] {
            #expect(text.contains("\n\(line)\n"), "\(line)")
        }
        #expect(!text.contains("process_open_fds"), "what is not known is left out")
        #expect(!text.contains("covey_milter_queued_copies"), "of a queue that was never read nothing is told")
    }

    @Test func `a server that the queue knows and the configuration does not is told too`() {
        var queue = MissingCopyGauges()
        queue.lookedAt = 990
        queue.servers["gone"] = .init(waiting: 2, oldestArrival: 100)
        let text = MetricText.encode(Self.snapshot(queue: queue).metrics)
        #expect(text.contains("covey_milter_queued_copies{server=\"gone\"} 2\n"))
        #expect(text.contains("covey_milter_queued_copies{server=\"a\"} 0\n"))
        #expect(text.contains("covey_milter_queued_copy_oldest_timestamp_seconds{server=\"gone\"} 100\n"))
        #expect(!text.contains("covey_milter_queued_copy_oldest_timestamp_seconds{server=\"a\"}"))
    }
}
