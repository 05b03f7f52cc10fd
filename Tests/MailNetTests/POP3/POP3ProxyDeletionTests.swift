import CoveyCore
import MailNet
import NIOCore
import Synchronization
import TestSupport
import Testing

/// A log that takes everything.
final class WillingLog: DeletionLog {
    let recorded = Mutex<[Deletions]>([])
    let confirmed = Mutex<[Deletions]>([])
    /// Until all proxies know of a record.
    private let delay: Duration
    /// How long it takes to note what was confirmed.
    private let slowness: Duration

    init(delay: Duration = .zero, slowness: Duration = .zero) {
        self.delay = delay
        self.slowness = slowness
    }

    func deletedIDs(of user: String, since: ContinuousClock.Instant?) async -> Set<MaildropID> { [] }

    func record(_ deletions: Deletions) async throws(DeletionLogError) -> ContinuousClock.Instant {
        recorded.withLock { $0.append(deletions) }
        return .now + delay
    }

    func noteConfirmed(_ deletions: Deletions) async {
        try? await Task.sleep(for: slowness)
        confirmed.withLock { $0.append(deletions) }
    }

    func serversOutOfTouch() async -> Set<String> { [] }

    func watchedUptime() async -> [String: Duration] { [:] }
}

/// A log whose last entry came after the reading that it answers from, unless it is asked for a newer one.
private final class LateLog: DeletionLog {
    private let ids: Set<MaildropID>
    let questions = Mutex(0)

    init(ids: Set<MaildropID>) {
        self.ids = ids
    }

    func deletedIDs(of user: String, since: ContinuousClock.Instant?) async -> Set<MaildropID> {
        questions.withLock { $0 += 1 }
        return since == nil ? [] : ids
    }

    func record(_ deletions: Deletions) async throws(DeletionLogError) -> ContinuousClock.Instant { .now }
    func noteConfirmed(_ deletions: Deletions) async {}
    func serversOutOfTouch() async -> Set<String> { [] }
    func watchedUptime() async -> [String: Duration] { [:] }
}

@Suite(.timeLimit(.minutes(5))) struct POP3ProxyDeletionTests {
    typealias Fault = ScriptedPOP3Server.Fault
    private let refusal = "-ERR [SYS/TEMP] some deleted messages not removed"
    private let done = "+OK Logging out, messages deleted."

    @Test func `with a server down at login nothing is deleted anywhere`() async throws {
        try await POP3ProxyFixture.run([script("a"), script("a")]) { fixture in
            await fixture.servers[1].stop()
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 1")
            #expect(try await client.command("QUIT") == refusal)
            #expect(fixture.servers[0].uniqueIDs == [stamp("a")])
            #expect(!fixture.servers[0].lines.contains { $0.hasPrefix("DELE") || $0 == "QUIT" })
        }
    }

    @Test func `with a server down at login a QUIT without deletions is fine`() async throws {
        try await POP3ProxyFixture.run([script("a"), script("a")]) { fixture in
            await fixture.servers[1].stop()
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 1")
            _ = try await client.command("RSET")
            #expect(try await client.command("QUIT") == "+OK Logging out.")
        }
    }

    @Test func `with a server that died since nothing is deleted anywhere`() async throws {
        try await POP3ProxyFixture.run([script("a"), script("ab")]) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 1")
            fixture.servers[1].dropConnections()
            // Seen dead by the proxy when the message that it alone holds cannot be had.
            #expect(try await client.command("RETR 2").hasPrefix("-ERR [SYS/TEMP]"))
            #expect(try await client.command("QUIT") == refusal)
            #expect(fixture.servers[0].uniqueIDs == [stamp("a")])
        }
    }

    static let faults: [(String, Fault)] = [
        ("DELE", .close), ("DELE", .stall), ("DELE", .reply("-ERR no\r\n")), ("QUIT", .close), ("QUIT", .stall),
        ("QUIT", .reply("-ERR [SYS/TEMP] some messages not deleted\r\n")),
    ]

    @Test(arguments: faults)
    func `what a server does not confirm is not called deleted`(command: String, fault: Fault) async throws {
        var bad = script("a")
        bad.faults[command] = fault
        try await POP3ProxyFixture.run([script("a"), bad], settings: quick) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 1")
            #expect(try await client.command("QUIT") == refusal)
            #expect(fixture.servers[0].uniqueIDs == [], "the other server's deletion stands")
        }
    }

    @Test(arguments: faults)
    func `what a server does not confirm goes on record, and counts`(command: String, fault: Fault) async throws {
        var bad = script("a")
        bad.faults[command] = fault
        let log = WillingLog()
        try await POP3ProxyFixture.run([script("a"), bad], deletionLog: log, settings: quick) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 1")
            #expect(try await client.command("QUIT") == done)
        }
        #expect(log.recorded.withLock { $0 } == [Deletions(user: "u@example.com", ids: [stamp("a")])])
        #expect(log.confirmed.withLock { $0 } == [])
    }

    @Test func `what an absent server misses goes on record first`() async throws {
        let log = WillingLog()
        try await POP3ProxyFixture.run([script("ab"), script("ab")], deletionLog: log) { fixture in
            await fixture.servers[1].stop()
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 2")
            #expect(try await client.command("QUIT") == done)
            #expect(fixture.servers[0].uniqueIDs == [stamp("a")])
        }
        #expect(log.recorded.withLock { $0 } == [Deletions(user: "u@example.com", ids: [stamp("b")])])
    }

    /// All servers list the message still, so that no proxy has a reason to ask the journals anew.
    @Test func `where no server confirms, the client hears of success when every proxy knows of the record`()
        async throws
    {
        var bad = script("a")
        bad.faults["QUIT"] = .close
        let log = WillingLog(delay: .milliseconds(600))
        try await POP3ProxyFixture.run([bad, bad], deletionLog: log, settings: quick) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 1")
            let asked = ContinuousClock.now
            #expect(try await client.command("QUIT") == done)
            #expect(asked.duration(to: .now) >= .milliseconds(600))
        }
        #expect(log.recorded.withLock { $0 } == [Deletions(user: "u@example.com", ids: [stamp("a")])])
    }

    /// The deletion is on record just after the login asked for the first time.
    @Test(arguments: [("a", 1), ("ab", 2)])
    func `a message that some server lacks is shown only when the newest record does not name it`(
        first: String, count: Int
    ) async throws {
        let log = LateLog(ids: [stamp("b")])
        try await POP3ProxyFixture.run([script(first), script("ab")], deletionLog: log) { fixture in
            let client = try await fixture.loggedIn()
            #expect(try await client.command("STAT").hasPrefix("+OK \(count) "))
        }
        // What all servers hold nobody has deleted: that costs no question.
        #expect(log.questions.withLock { $0 } == (count == 1 ? 2 : 1))
    }

    @Test func `of what a server that is down may hold, the newest record decides`() async throws {
        let log = LateLog(ids: [stamp("a")])
        try await POP3ProxyFixture.run([script("ab"), script("ab")], deletionLog: log) { fixture in
            await fixture.servers[1].stop()
            let client = try await fixture.loggedIn()
            #expect(try await client.command("STAT").hasPrefix("+OK 1 "))
        }
    }

    @Test func `what all confirm is on record before the client hears of it`() async throws {
        let log = WillingLog(slowness: .milliseconds(300))
        try await POP3ProxyFixture.run([script("ab"), script("ab")], deletionLog: log) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 1")
            #expect(try await client.command("QUIT") == done)
            #expect(log.confirmed.withLock { $0 } == [Deletions(user: "u@example.com", ids: [stamp("a")])])
        }
        #expect(log.recorded.withLock { $0 } == [])
    }

    @Test func `what all confirm is done, even if the record of it takes for ever`() async throws {
        let log = WillingLog(slowness: .seconds(3600))
        func hasty(_ settings: inout POP3ProxySettings) { settings.times.note = .milliseconds(200) }
        try await POP3ProxyFixture.run([script("ab"), script("ab")], deletionLog: log, settings: hasty) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 1")
            #expect(try await client.command("QUIT") == done)
            #expect(fixture.servers.allSatisfy { $0.uniqueIDs == [stamp("b")] })
        }
    }

    @Test func `a client that goes after its QUIT has its deletions done`() async throws {
        var slow = script("a")
        slow.faults["DELE"] = .delay(.milliseconds(200))
        try await POP3ProxyFixture.run([slow, slow]) { fixture in
            let client = try await fixture.loggedIn()
            _ = try await client.command("DELE 1")
            try await client.send("QUIT\r\n")
            while !fixture.servers.allSatisfy({ $0.lines.contains("QUIT") }) {
                try await Task.sleep(for: .milliseconds(5))
            }
            await client.close()
            for server in fixture.servers {
                while !server.uniqueIDs.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            }
        }
    }

    private func quick(_ settings: inout POP3ProxySettings) {
        settings.times.update = .seconds(1)
    }
}
