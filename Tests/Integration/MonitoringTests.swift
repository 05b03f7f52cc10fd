import Foundation
import TestSupport
import Testing

extension RealServers {
    /// What the daemons tell of themselves, and what `covey status` makes of it.
    @Suite struct Monitoring {
        @Test func `Mail that comes in and goes out is counted, in a form that Prometheus takes`() throws {
            let lab = try Lab.current
            let user = "u60@example.com"
            let hub = try Metrics(lab, "mh1")
            let proxy = try Metrics(lab, "a")
            try lab.deliver([note("One"), note("Two"), note("Three")], to: user)
            let session = try lab.session(user, at: "a")
            try session.expectOK("RETR 1")
            _ = try session.lines()
            try session.expectOK("DELE 2")
            #expect(try Metrics(lab, "a")["covey_pop3d_sessions"] == (proxy["covey_pop3d_sessions"] ?? 0) + 1)
            try session.expectOK("QUIT")

            let hubNow = try Metrics(lab, "mh1")
            #expect(hubNow.gain("covey_milter_messages_total{door=\"front\",verdict=\"delivered\"}", since: hub) == 3)
            for server in lab.mailboxes {
                #expect(
                    hubNow.gain("covey_milter_copies_total{server=\"\(server)\",result=\"stored\"}", since: hub) == 3)
                #expect(
                    hubNow.gain("covey_milter_delivery_duration_seconds_count{server=\"\(server)\"}", since: hub) == 3)
                #expect(hubNow["covey_milter_server_up{server=\"\(server)\"}"] == 1)
            }
            // The log line and the counters come a moment after the client has heard that all is done.
            let proxyNow = try lab.wait(
                for: "the session's end in the figures", { try Metrics(lab, "a") },
                until: { $0.gain("covey_pop3d_connections_ended_total{end=\"quit\"}", since: proxy) == 1 })
            #expect(proxyNow.gain("covey_pop3d_logins_total{result=\"accepted\"}", since: proxy) == 1)
            #expect(proxyNow.gain("covey_pop3d_login_duration_seconds_count", since: proxy) == 1)
            #expect(proxyNow.gain("covey_pop3d_retrieved_messages_total", since: proxy) == 1)
            #expect(proxyNow.gain("covey_pop3d_deleted_messages_total", since: proxy) == 1)
            #expect(proxyNow["covey_pop3d_sessions"] == proxy["covey_pop3d_sessions"])
            // The deletion is on its way into the journals, and then in all of them.
            try lab.wait(for: "the entry in every journal", { try Metrics(lab, "b") }) { metrics in
                let entries = metrics["covey_pop3d_journal_entries"] ?? 0
                return entries > 0 && lab.mailboxes.allSatisfy { metrics.hasWholeJournal(of: $0) }
            }
            for metrics in [hubNow, proxyNow] {
                let judgement = try metrics.promtool()
                #expect(judgement.status == 0, "\(judgement)")
            }
        }

        @Test func `Every page is served, on a port of its own for each daemon`() throws {
            let lab = try Lab.current
            for (host, port, name) in [("mh2", 9110, "covey-milter"), ("b", 9111, "covey-pop3d")] {
                let base = "http://\(lab.address(of: host)):\(port)"
                let page = try lab.exec("client", "curl", "-si", "\(base)/").text
                #expect(page.hasPrefix("HTTP/1.1 200 OK\r\n"))
                #expect(page.contains("<h1>\(name) <small>on \(host)</small></h1>"))
                for server in lab.mailboxes { #expect(page.contains("<h3>\(server) ")) }
                let health = try lab.exec("client", "curl", "-s", "\(base)/healthz").text
                #expect(health.hasPrefix("ok\n") || health.hasPrefix("degraded\n"), "\(health)")
                let status = try lab.status(of: host, port: port)
                #expect(status["daemon"] as? String == name)
                #expect(status["host"] as? String == host)
                // The other daemon's port is nobody's here.
                let other = port == 9110 ? 9111 : 9110
                let nobody = try lab.attempt(
                    "client", ["curl", "-s", "http://\(lab.address(of: host)):\(other)/healthz"])
                #expect(nobody.status == 7, "7 is curl's word for a connection refused: \(nobody)")
            }
        }

        @Test func `A stopped server degrades the cluster, all of them stopped bring it down, and it comes back`()
            throws
        {
            let lab = try Lab.current
            let user = "u60@example.org"
            try lab.warmUp([user], at: "mh1")
            try lab.waitForStatus(0)
            let before = try Metrics(lab, "mh1")
            var areAllUp = false
            // A failure here shall not become one of the tests that follow.
            defer { if !areAllUp { for server in lab.mailboxes { try? lab.start(.dovecot, on: server) } } }

            try lab.stop(.dovecot, on: "b")
            try lab.wait(for: "the proxy to miss b", { try Metrics(lab, "a") }) {
                $0["covey_pop3d_server_up{server=\"b\"}"] == 0
            }
            // Without any mail: the hub that nobody sends to looks for itself.
            try lab.wait(for: "the other hub to miss b", within: 60, { try Metrics(lab, "mh2") }) {
                $0["covey_milter_server_up{server=\"b\"}"] == 0
            }
            #expect(try lab.send(note("While b is down"), to: [user]).isAccepted)
            let now = try Metrics(lab, "mh1")
            #expect(now["covey_milter_server_up{server=\"a\"}"] == 1)
            #expect(now["covey_milter_server_up{server=\"b\"}"] == 0)
            #expect(now.gain("covey_milter_messages_total{door=\"front\",verdict=\"passed_on\"}", since: before) == 1)
            #expect(now.gain("covey_milter_missing_copies_total{server=\"b\"}", since: before) == 1)
            let servers = try #require(try lab.status(of: "mh1", port: 9110)["servers"] as? [[String: Any]])
            #expect(servers.map { $0["name"] as? String } == ["a", "b", "c"])
            #expect(servers.map { $0["up"] as? Bool } == [true, false, true])
            #expect(
                try lab.exec("client", "curl", "-s", "http://\(lab.address(of: "mh1")):9110/healthz").text
                    .hasPrefix("degraded\n"))
            let degraded = try lab.attempt("a", ["covey", "status"])
            #expect(degraded.status == 1, "\(degraded)")
            #expect(degraded.text.hasPrefix("The cluster is degraded.\n"))
            #expect(degraded.text.contains("mailbox server b does not answer: Connection refused"))
            try lab.wait(for: "the copy in the queue to be seen", within: 120, { try Metrics(lab, "mh1") }) {
                $0["covey_milter_queued_copies{server=\"b\"}"] == 1
            }

            try lab.stop(.dovecot, on: "a")
            try lab.stop(.dovecot, on: "c")
            for hub in lab.hubs { #expect(try !lab.send(note("While all are down"), to: [user], at: hub).isAccepted) }
            let down = try lab.waitForStatus(2)
            #expect(down.text.contains("nobody can log in"), "\(down)")
            #expect(down.text.contains("mail is put off"), "\(down)")
            let health = try lab.exec("client", "curl", "-si", "http://\(lab.address(of: "a")):9111/healthz").text
            #expect(health.hasPrefix("HTTP/1.1 503 "))

            for server in lab.mailboxes { try lab.start(.dovecot, on: server) }
            areAllUp = true
            try lab.copies(for: user, within: 120)
            try lab.waitForStatus(0)
        }

        @Test func `With a loopback address a host sees its own daemons and the servers' ports`() throws {
            let lab = try Lab.current
            try lab.waitForStatus(0)
            try lab.shell(
                "a", "sed 's/\\[::\\]:9110/127.0.0.1:9110/' /etc/covey/cluster.toml >/etc/covey/loopback.toml")
            let status = try lab.attempt(
                "a", ["covey", "status", "--config", "/etc/covey/loopback.toml", "--format", "json"])
            #expect(status.status == 0, "\(status)")
            let read = try #require(try JSONSerialization.jsonObject(with: Data(status.octets)) as? [String: Any])
            let daemons = try #require(read["daemons"] as? [[String: Any]])
            #expect(
                daemons.map { "\($0["host"] ?? "") \($0["state"] ?? "")" } == [
                    "mh1 not asked", "mh2 not asked", "a ok", "b not asked", "c not asked",
                ])
            let servers = try #require(read["servers"] as? [[String: Any]])
            #expect(servers.allSatisfy { $0["delivery"] as? String == "up" && $0["pop3"] as? String == "up" })
            // A daemon that should answer here and does not is no matter of taste.
            try lab.stop(.pop3d, on: "a")
            let stopped = try lab.attempt("a", ["covey", "status", "--config", "/etc/covey/loopback.toml"])
            try lab.start(.pop3d, on: "a")
            #expect(stopped.status == 1)
            #expect(stopped.text.contains("no answer"))
            #expect(stopped.text.contains("loopback only"))
        }
    }
}

extension Lab {
    /// Waits until `covey status` ends so.
    @discardableResult
    fileprivate func waitForStatus(_ exit: Int32) throws -> CommandOutput {
        try wait(for: "covey status to end with \(exit)", within: 120, { try attempt("a", ["covey", "status"]) }) {
            $0.status == exit
        }
    }
}

/// What /metrics of the daemon on a host says: each sample's name with its labels, and its value.
private struct Metrics {
    let text: String
    private var values: [String: Double] = [:]

    init(_ lab: Lab, _ host: String) throws {
        let port = host.hasPrefix("mh") ? 9110 : 9111
        text = try lab.exec("client", "curl", "-s", "http://\(lab.address(of: host)):\(port)/metrics").text
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { throw LabFailure("not a sample: \(line)") }
            values[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
    }

    subscript(sample: String) -> Double? { values[sample] }

    /// By how much a counter has grown.
    func gain(_ sample: String, since old: Metrics) -> Double {
        (values[sample] ?? 0) - (old.values[sample] ?? 0)
    }

    func hasWholeJournal(of server: String) -> Bool {
        values["covey_pop3d_journal_readable{server=\"\(server)\"}"] == 1
            && values["covey_pop3d_journal_missing_entries{server=\"\(server)\"}"] == 0
    }

    /// What Prometheus' own tool thinks of it.
    func promtool() throws -> CommandOutput {
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("scripts/promtool").path
        return try CommandOutput(of: [script, "check", "metrics"], environment: [:], input: Array(text.utf8))
    }
}
