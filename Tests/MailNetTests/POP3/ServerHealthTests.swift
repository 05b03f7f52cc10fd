import NIOCore
import TestSupport
import Testing

@testable import MailNet

@Suite struct ServerHealthRecordTests {
    @Test func `three failures in a row skip a server, and only a probe lets it in again`() {
        var record = ServerHealthRecord(interval: .seconds(1))
        #expect(record.failed() == .none)
        #expect(record.failed() == .none)
        #expect(!record.isSkipped)
        #expect(record.failed() == .skip(probeAfter: .seconds(1)))
        #expect(record.isSkipped)
        // Logins that began before end now, well or badly: no second probe is started.
        #expect(record.failed() == .none)
        record.answered()
        #expect(record.isSkipped)
        record.probed()
        #expect(!record.isSkipped)
    }

    @Test func `an answer in between begins the count anew`() {
        var record = ServerHealthRecord(interval: .seconds(1))
        for _ in 1...5 {
            #expect(record.failed() == .none)
            #expect(record.failed() == .none)
            record.answered()
        }
        #expect(!record.isSkipped)
    }

    @Test func `a server that greets and then fails is on trial, and probed ever less`() {
        var record = ServerHealthRecord(interval: .seconds(1))
        _ = record.failed()
        _ = record.failed()
        for seconds: Int64 in [1, 2, 4, 8, 16, 30, 30] {
            #expect(record.failed() == .skip(probeAfter: .seconds(seconds)))
            record.probed()
        }
        record.answered()
        #expect(record.failed() == .none)
        #expect(record.failed() == .none)
        #expect(record.failed() == .skip(probeAfter: .seconds(1)))
    }
}

@Suite(.timeLimit(.minutes(5))) struct POP3ServerHealthTests {
    typealias Fault = ScriptedPOP3Server.Fault

    @Test(arguments: [("greeting", Fault.stall), ("greeting", .close), ("USER", .stall), ("PASS", .stall)])
    func `after three logins a server that is down costs nobody a timeout, until a probe reaches it`(
        command: String, fault: Fault
    ) async throws {
        var bad = script("a")
        bad.faults[command] = fault
        let log = RecordedLog()
        func skipped() -> [String] { log.lines.filter { $0.contains("session.left_out=a (skipped: ") } }
        try await POP3ProxyFixture.run([bad, script("b")], settings: quick, log: log) { fixture in
            for _ in 1...3 { try await expectOnlyB(fixture) }
            let asked = fixture.servers[0].lines.count { $0.hasPrefix("USER") }
            #expect(skipped() == [])
            // The fourth is not even tried there. (A server that greets is probed soon, so no more than one.)
            try await expectOnlyB(fixture)
            #expect(fixture.servers[0].lines.count { $0.hasPrefix("USER") } == asked)
            while skipped().isEmpty { try await Task.sleep(for: .milliseconds(10)) }

            fixture.servers[0].setFault(nil, for: command)
            while true {
                let client = try await fixture.loggedIn()
                if try await client.command("STAT").hasPrefix("+OK 2 ") { break }
                await client.close()
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    /// Wrong passwords are answered late on purpose, ever later (facts 44).
    @Test func `who guesses passwords does not have a server skipped`() async throws {
        var slow = script("a")
        slow.faults["PASS wrong"] = .stall
        try await POP3ProxyFixture.run([slow, slow], settings: quick) { fixture in
            for _ in 1...5 {
                let client = try await fixture.client()
                #expect(try await client.logIn(password: "wrong").hasPrefix("-ERR [SYS/TEMP] "))
                await client.close()
            }
            _ = try await fixture.loggedIn()
            for server in fixture.servers { #expect(server.lines.count { $0 == "PASS secret" } == 1) }
        }
    }

    @Test func `words that refuse a login do not have a server skipped`() async throws {
        var sick = script("a")
        sick.faults["PASS"] = .reply("-ERR [SYS/TEMP] internal error\r\n")
        try await POP3ProxyFixture.run([sick, script("b")], settings: quick) { fixture in
            for _ in 1...6 { try await expectOnlyB(fixture) }
            #expect(fixture.servers[0].lines.count { $0 == "PASS secret" } == 6)
        }
    }

    private func expectOnlyB(_ fixture: POP3ProxyFixture) async throws {
        let client = try await fixture.loggedIn()
        #expect(try await client.command("UIDL 1") == "+OK 1 \(stamp("b"))")
        #expect(try await client.command("STAT").hasPrefix("+OK 1 "))
        await client.close()
    }

    private func quick(_ settings: inout POP3ProxySettings) {
        settings.times.login = .milliseconds(1_500)
        settings.times.probeInterval = .seconds(3)
    }
}
