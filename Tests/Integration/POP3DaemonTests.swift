import Foundation
import TestSupport
import Testing

extension RealServers {
    /// covey-pop3d as a process.
    @Suite struct POP3Daemon {
        @Test func `The wildcard address serves IPv4 and IPv6`() throws {
            let lab = try Lab.current
            // Nothing in the lab's cluster.toml: the default.
            let settings = try lab.exec("a", "covey", "check", "--effective", "--config", "/etc/covey/cluster.toml")
            #expect(settings.text.contains("[::]:1100"))
            for address in ["127.0.0.1", "::1"] {
                let answer = try lab.exec(
                    "a", "python3", "-c",
                    "import poplib; p = poplib.POP3('\(address)', 1100); p.user('u47@example.com'); print(p.pass_('secret'))"
                )
                #expect(answer.line == "b'+OK Logged in.'", "\(address)")
            }
        }

        @Test func `SIGTERM lets a session finish and takes no other`() throws {
            let lab = try Lab.current
            let user = "u47@example.com"
            try lab.deliver([note("One"), note("Two")], to: user)
            let session = try lab.session(user, at: "a")
            let idle = try POP3Connection(lab.address(of: "a"))
            _ = try idle.line()
            try session.expectOK("DELE 1")
            let stopping = Background { try lab.stop(.pop3d, on: "a") }
            try lab.wait(for: "a closed port", within: 10) {
                (try? POP3Connection(lab.address(of: "a"))) == nil
            }
            // Who is not logged in is sent away.
            #expect(try idle.rest() == [])
            try session.expectOK("RETR 2")
            #expect(try session.lines().contains("Subject: Two note"))
            #expect(try session.command("QUIT").hasPrefix("+OK"))
            try stopping.wait(seconds: 10)
            try lab.start(.pop3d, on: "a")
            #expect(try lab.counts(for: user) == [1, 1, 1])
            #expect(try lab.maildrop(of: user, at: "a") == (try lab.stored(for: user, on: "a").flatMap(\.ids)))
        }
    }
}
