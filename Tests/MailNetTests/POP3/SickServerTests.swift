import CoveyCore
import MailNet
import TestSupport
import Testing

/// A log whose own login some servers refuse.
private struct RefusedLog: DeletionLog {
    let servers: Set<String>

    func deletedIDs(of user: String, since: ContinuousClock.Instant?) async -> Set<MaildropID> { [] }
    func record(_ deletions: Deletions) async throws(DeletionLogError) -> ContinuousClock.Instant { .now }
    func noteConfirmed(_ deletions: Deletions) async {}
    func serversOutOfTouch() async -> Set<String> { [] }
    func watchedUptime() async -> [String: Duration] { [:] }
    func isLoginRefused(at server: String, since: ContinuousClock.Instant) async -> Bool { servers.contains(server) }
}

@Suite(.timeLimit(.minutes(5))) struct SickServerTests {
    private static let refused = "-ERR [AUTH] Authentication failed."
    private static let unavailable = "-ERR [SYS/TEMP] No mailbox server can be reached, try again later."
    private static let welcome = "+OK Logged in."

    /// Which servers refuse the user, which of them the journal, what the client is told, and how many messages it sees:
    /// each server has one that the others lack.
    @Test(
        arguments: [
            (["b"], [], "all", refused, 0), (["b"], ["b"], "all", welcome, 2), (["b"], ["a"], "all", refused, 0),
            (["b", "c"], ["b"], "all", refused, 0), (["b", "c"], ["b", "c"], "all", welcome, 1),
            (["a", "b", "c"], ["a", "b"], "all", refused, 0),
            (["a", "b", "c"], ["a", "b", "c"], "all", unavailable, 0),
            ([], ["a"], "all", welcome, 3), (["b"], [], "any", welcome, 2), (["b"], ["b"], "any", welcome, 2),
            (["a", "b", "c"], ["a"], "any", refused, 0),
        ] as [(Set<String>, Set<String>, String, String, Int)])
    func `a refusal counts unless the server refuses the journal too`(
        refusing: Set<String>, sick: Set<String>, auth: String, expected: String, messages: Int
    ) async throws {
        let scripts = ["a", "b", "c"].map { name in
            var script = script(name)
            if refusing.contains(name) { script.password = "another" }
            return script
        }
        try await POP3ProxyFixture.run(
            scripts, deletionLog: RefusedLog(servers: sick), settings: { $0.auth = auth == "all" ? .all : .any }
        ) { fixture in
            let client = try await fixture.client()
            #expect(try await client.logIn() == expected)
            guard expected == SickServerTests.welcome else { return }
            #expect(try await client.command("STAT").hasPrefix("+OK \(messages) "))
        }
    }

    @Test func `the session's log line says who is sick`() async throws {
        var other = script("b")
        other.password = "another"
        let log = RecordedLog()
        try await POP3ProxyFixture.run([script("a"), other], deletionLog: RefusedLog(servers: ["b"]), log: log) {
            fixture in
            let client = try await fixture.loggedIn()
            #expect(try await client.command("QUIT") == "+OK Logging out.")
            #expect(await client.rest() == "")
            let line = log.lines.first { $0.contains("POP3 session ended") }
            #expect(line?.contains("session.left_out=b (sick: it refuses the journal's login too: ") == true)
        }
    }
}
