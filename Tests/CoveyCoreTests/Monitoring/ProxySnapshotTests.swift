import Testing

@testable import CoveyCore

@Suite struct ProxySnapshotTests {
    static func snapshot(
        skipped: Set<String> = [], journal: JournalFigures? = sound, figures: ProxyFigures = .init(),
        connections: Int = 4, isStopping: Bool = false
    ) -> ProxySnapshot {
        ProxySnapshot(
            host: "a", now: 2_000, started: 500, figures: figures,
            servers: ["a", "b"].map { .init(name: $0, isSkipped: skipped.contains($0)) }, journal: journal,
            healing: HealingFigures(made: 4, failed: 2), connections: connections, mostConnections: 10,
            isStopping: isStopping,
            process: .init(processorTime: 0, residentOctets: nil, openFiles: nil, mostFiles: nil, started: 500))
    }

    static let sound = JournalFigures(
        entries: 7, pending: 0, servers: [.init(name: "a", isReadable: true), .init(name: "b", isReadable: true)])

    static func journal(_ change: (inout JournalFigures) -> Void) -> JournalFigures {
        var journal = sound
        change(&journal)
        return journal
    }

    static func silent(_ places: Int...) -> JournalFigures {
        journal { journal in
            for place in places {
                journal.servers[place].isReadable = false
                journal.servers[place].isServerSilent = true
                journal.servers[place].reason = "cannot connect: Connection refused"
            }
        }
    }

    @Test func `a sound proxy has no problems`() {
        let status = Self.snapshot().status
        #expect(status.state == .ok)
        #expect(status.problems == [])
        #expect(status.health.text == "ok\n")
    }

    @Test func `a server that logins skip, or that is silent to the journal, is down`() {
        let skipped = Self.snapshot(skipped: ["b"])
        #expect(skipped.status.state == .degraded)
        #expect(skipped.status.servers.map(\.isUp) == [true, false])
        let silent = Self.snapshot(journal: Self.silent(0))
        #expect(silent.status.servers.map(\.isUp) == [false, true])
        #expect(silent.status.servers[0].reason == "cannot connect: Connection refused")
        #expect(MetricText.encode(silent.metrics).contains("covey_pop3d_server_up{server=\"a\"} 0\n"))
        // Said once, not again as an unreadable journal.
        #expect(
            silent.status.problems.map(\.text) == [
                "mailbox server a does not answer: cannot connect: Connection refused"
            ])
    }

    @Test func `without any server, or when it stops, nobody is sent to a proxy`() {
        for snapshot in [
            Self.snapshot(skipped: ["a", "b"]), Self.snapshot(journal: Self.silent(0, 1)),
            Self.snapshot(skipped: ["a"], journal: Self.silent(1)), Self.snapshot(isStopping: true),
        ] {
            #expect(snapshot.status.state == .down)
            #expect(snapshot.status.problems.first?.state == .down, "the worst comes first")
            #expect(!snapshot.status.health.isServing)
        }
    }

    @Test func `what is the matter with a journal is told and only degrades`() {
        let refused = Self.journal {
            $0.servers[1].isReadable = false
            $0.servers[1].reason = "login: no"
        }
        let lost = Self.journal { $0.servers[1].hasLostTouch = true }
        let foreign = Self.journal { $0.servers[0].foreign = 3 }
        let expected = [
            (refused as JournalFigures?, "the journal of b cannot be read: login: no"),
            (lost, "mailbox server b has lost touch: run covey resync --to b"),
            (foreign, "messages in the journal of a that are not ours: 3"),
            (nil, "no journal.password: deletions need every mailbox server"),
        ]
        for (journal, text) in expected {
            let status = Self.snapshot(journal: journal).status
            #expect(status.problems == [.init(.degraded, text)])
            #expect(status.servers.map(\.isUp) == [true, true], "\(text)")
        }
    }

    @Test func `figures count logins, sessions, failovers and deletions`() {
        var figures = ProxyFigures()
        figures.countConnection(isAccepted: true)
        figures.countConnection(isAccepted: false)
        figures.countLogin(.accepted, time: .milliseconds(20), leftOut: ["b"])
        figures.countLogin(.refused, time: .seconds(3), leftOut: [])
        #expect(figures.openSessions == 1)
        figures.countSent(octets: 1_000)
        figures.countRetrieval(isComplete: true)
        figures.countRetrieval(isComplete: false)
        for time in 1...25 { figures.countFailover(from: "a", to: "b", time: time) }
        figures.countUpdate(deleted: 3, isComplete: true)
        figures.countUpdate(deleted: 2, isComplete: false)
        figures.countEnd("quit", hadMaildrop: true)
        figures.countEnd("client_closed", hadMaildrop: false)
        #expect(figures.openSessions == 0)
        #expect(figures.recentFailovers.map(\.time) == Array(6...25), "the last twenty")

        let snapshot = Self.snapshot(figures: figures)
        #expect(snapshot.status.failovers?.first?.time == 25, "the newest first")
        let text = MetricText.encode(snapshot.metrics)
        for line in [
            "covey_pop3d_connections 4", "covey_pop3d_connections_limit 10", "covey_pop3d_connections_total 1",
            "covey_pop3d_connections_refused_total 1", "covey_pop3d_sessions 0",
            "covey_pop3d_connections_ended_total{end=\"quit\"} 1", "covey_pop3d_logins_total{result=\"accepted\"} 1",
            "covey_pop3d_logins_total{result=\"refused\"} 1", "covey_pop3d_logins_total{result=\"unavailable\"} 0",
            "covey_pop3d_login_duration_seconds_count 1", "covey_pop3d_retrieved_messages_total 1",
            "covey_pop3d_broken_off_messages_total 1", "covey_pop3d_sent_bytes_total 1000",
            "covey_pop3d_deleted_messages_total 3", "covey_pop3d_failed_updates_total 1",
            "covey_pop3d_left_out_total{server=\"b\"} 1", "covey_pop3d_left_out_total{server=\"a\"} 0",
            "covey_pop3d_failovers_total{server=\"a\"} 25", "covey_pop3d_journal_entries 7",
            "covey_pop3d_journal_readable{server=\"b\"} 1", "covey_pop3d_server_lost_touch{server=\"b\"} 0",
            "covey_pop3d_healed_copies_total{result=\"made\"} 4",
            "covey_pop3d_healed_copies_total{result=\"failed\"} 2",
        ] {
            #expect("\n\(text)".contains("\n\(line)\n"), "\(line)")
        }
    }
}
