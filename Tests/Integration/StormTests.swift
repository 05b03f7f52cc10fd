import TestSupport
import Testing

extension RealServers {
    @Suite struct Storm {
        @Test func `200 senders while covey-milter is restarted every 5 s: every 250 has its copies`() throws {
            let lab = try Lab.current
            let (hub, senders) = ("mh1", 200)
            // As many smtpd processes as senders; Postfix has 100 by default.
            try lab.shell(hub, "postconf -e default_process_limit=\(senders + 50) && postfix reload")
            defer { _ = try? lab.shell(hub, "postconf -X default_process_limit && postfix reload") }
            try MilterStorm(
                lab, hub: hub, users: (54...60).map { "u\($0)@example.com" }, senders: senders, seconds: 60
            ).run()
        }
    }
}

extension RealServers.SendmailHubs {
    @Test func `60 senders while covey-milter is restarted every 5 s: every 250 has its copies`() throws {
        try MilterStorm(
            try Lab.current, hub: "mh2", users: (54...60).map { "u\($0)@example.com" }, senders: 60, seconds: 20
        ).run()
    }
}
