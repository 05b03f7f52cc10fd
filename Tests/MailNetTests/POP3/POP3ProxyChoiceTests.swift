import MailNet
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct POP3ProxyChoiceTests {
    /// While a message hangs at the first server, who is asked for the next one.
    @Test(arguments: [([], 1), ([0], 0), ([1], 1)] as [(Set<Int>, Int)])
    func `a message comes from the own host, else from the server that is least busy`(
        local: Set<Int>, expected: Int
    ) async throws {
        var hanging = script("ab")
        hanging.faults["RETR 1"] = .cutAndStall(after: 60)
        try await POP3ProxyFixture.run(
            [hanging, script("ab")],
            settings: {
                $0.local = local
                $0.preference = local == [1] ? [1, 0] : [0, 1]
            }
        ) { fixture in
            func retrievals(_ server: Int) -> Int { fixture.servers[server].lines.count { $0.hasPrefix("RETR") } }
            let first = try await fixture.loggedIn()
            if local != [1] {
                try await first.send("RETR 1\r\n")
                while retrievals(0) == 0 { try await Task.sleep(for: .milliseconds(5)) }
            }
            let before = retrievals(expected)
            let second = try await fixture.loggedIn()
            _ = try await second.command("RETR 2")
            #expect(try await second.lines().joined() == message("b"))
            #expect(retrievals(expected) == before + 1)
            await first.close()
        }
    }

    @Test func `a server is free again after a message, whole or not`() async throws {
        var refusing = script("ab")
        refusing.faults["RETR 1"] = .reply("-ERR no\r\n")
        try await POP3ProxyFixture.run([refusing, script("ab")], settings: { $0.preference = [0, 1] }) { fixture in
            let client = try await fixture.loggedIn()
            for _ in 1...3 {
                // Refused by the first, taken from the second: then both are free, and the first is asked again.
                _ = try await client.command("RETR 1")
                #expect(try await client.lines().joined() == message("a"))
                _ = try await client.command("RETR 2")
                #expect(try await client.lines().joined() == message("b"))
            }
            #expect(fixture.servers[0].lines.count { $0 == "RETR 2" } == 3)
        }
    }

    @Test func `one line tells what became of a session`() async throws {
        let log = RecordedLog()
        try await POP3ProxyFixture.run([script("abc"), script("ab", server: "b")], deletionLog: WillingLog(), log: log)
        {
            fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("RETR 1")
            _ = try await client.lines()
            for number in [1, 3] { _ = try await client.command("DELE \(number)") }
            #expect(try await client.command("QUIT") == "+OK Logging out, messages deleted.")
            #expect(await client.rest() == "")
            let ends = log.lines.filter { $0.contains("POP3 session ended") }
            #expect(ends.count == 1)
            for part in [
                "session.user=u@example.com", "session.servers=a,b", "session.messages=3", "session.retrieved=1",
                "session.octets=\(message("a").replacing("\r\n.", with: "\r\n..").utf8.count)", "session.deleted=2",
                // c is not on b: a late copy may still bring it there.
                "session.journal_entries=2", "session.end=quit", "client.address=127.",
            ] { #expect(ends.first?.contains(part) == true, "\(part) in \(ends)") }
        }
    }
}
