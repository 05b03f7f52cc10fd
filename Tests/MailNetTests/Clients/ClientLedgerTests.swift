import NIOCore
import Testing

@testable import MailNet

@Suite struct ClientLedgerTests {
    private static let joe = ClientAddress.v4(1)
    private static let ann = ClientAddress.v4(2)
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    @Test func `an address may have so many connections, and others are not concerned`() {
        var ledger = ClientLedger()
        for _ in 1...3 { #expect(ledger.connect(Self.joe, limit: 3) == .admitted) }
        #expect(ledger.connect(Self.joe, limit: 3) == .refused(isFirst: true))
        #expect(ledger.connect(Self.joe, limit: 3) == .refused(isFirst: false))
        #expect(ledger.connect(Self.ann, limit: 3) == .admitted)
        ledger.disconnect(Self.joe)
        #expect(ledger.connect(Self.joe, limit: 3) == .admitted)
        #expect(ledger.connect(Self.joe, limit: 3) == .refused(isFirst: true))
    }

    @Test func `what has gone leaves nothing behind`() {
        var ledger = ClientLedger()
        for address in [Self.joe, Self.ann, Self.joe] { _ = ledger.connect(address, limit: 3) }
        for address in [Self.joe, Self.joe, Self.ann] { ledger.disconnect(address) }
        #expect(ledger.count == 0)
    }

    @Test func `wrong passwords cost more and more time, and in the end logins are refused`() {
        var ledger = ClientLedger()
        var answers: [ClientLedger.Login] = []
        for guess in 0..<20 {
            answers.append(ledger.login(Self.joe, at: Self.start))
            #expect(ledger.failed(Self.joe, credentials: guess, at: Self.start) == (guess == 19))
        }
        let waits: [TimeAmount] = [.seconds(2), .seconds(4), .seconds(8)]
        #expect(answers[..<3] == [.ask, .ask, .ask])
        #expect(answers[3..<6] == waits.map { .askAfter($0) }[...])
        #expect(answers[6...].allSatisfy { $0 == .askAfter(.seconds(15)) })
        #expect(ledger.login(Self.joe, at: Self.start) == .refuse)
        #expect(ledger.login(Self.ann, at: Self.start) == .ask)
    }

    @Test func `the same wrong password again is no other guess`() {
        var ledger = ClientLedger()
        for _ in 1...100 {
            #expect(ledger.failed(Self.joe, credentials: 7, at: Self.start) == false)
            #expect(ledger.login(Self.joe, at: Self.start) == .ask)
        }
    }

    @Test func `a failure a minute is forgotten, and never more than half an hour is left`() {
        var ledger = ClientLedger()
        for guess in 0..<1_000 { _ = ledger.failed(Self.joe, credentials: guess, at: Self.start) }
        #expect(ledger.login(Self.joe, at: Self.start + .minutes(10)) == .refuse)
        #expect(ledger.login(Self.joe, at: Self.start + .minutes(11)) == .askAfter(.seconds(15)))
        // Looked at in between or not, the minutes are the same.
        for second in 660...1_620 { _ = ledger.login(Self.joe, at: Self.start + .seconds(Int64(second))) }
        #expect(ledger.login(Self.joe, at: Self.start + .seconds(1_621)) == .askAfter(.seconds(2)))
        #expect(ledger.login(Self.joe, at: Self.start + .seconds(1_680)) == .ask)
        #expect(ledger.login(Self.joe, at: Self.start + .minutes(30)) == .ask)
    }

    @Test func `who guesses without pause gets one guess a minute`() {
        var ledger = ClientLedger()
        var guesses = 0
        for second in 0..<7_200 {
            let now = Self.start + .seconds(Int64(second))
            guard ledger.login(Self.joe, at: now) != .refuse else { continue }
            guesses += 1
            _ = ledger.failed(Self.joe, credentials: second, at: now)
        }
        #expect(guesses == 20 + 119)
    }

    @Test func `an IPv6 host is counted by its network, an IPv4 one by itself however it is written`() throws {
        func address(_ text: String) throws -> ClientAddress? {
            ClientAddress(try SocketAddress(ipAddress: text, port: 1))
        }
        #expect(try address("2001:db8:1:2::1") == address("2001:db8:1:2:ffff::9"))
        #expect(try address("2001:db8:1:2::1") != address("2001:db8:1:3::1"))
        #expect(try address("::ffff:192.0.2.1") == address("192.0.2.1"))
        #expect(try address("192.0.2.1") != address("192.0.2.2"))
        #expect(try address("192.0.2.1") == .v4(0xc000_0201))
        #expect(ClientAddress(try SocketAddress(unixDomainSocketPath: "/run/x")) == nil)
    }
}

@Suite struct SettledChangeTests {
    @Test func `a change is due when it has stayed, and once`() {
        var change = SettledChange(1)
        func due(_ stamps: Int...) -> [Bool] { stamps.map { change.isDue($0) } }
        #expect(due(1, 1, 2, 2, 2, 2) == [false, false, false, true, false, false])
        // Of two files that are replaced one after the other the state in between is not read.
        #expect(due(3, 4, 4, 4) == [false, false, true, false])
        // Back to what was read: nothing to do.
        #expect(due(5, 4, 4) == [false, false, false])
    }
}
