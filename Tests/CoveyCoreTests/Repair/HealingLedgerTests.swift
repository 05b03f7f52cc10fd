import CoveyCore
import Testing

@Suite struct HealingLedgerTests {
    private let one = LackingCopy(id: "cv1one", server: "b")
    private let two = LackingCopy(id: "cv1two", server: "b")

    /// Notes what user u's session saw while server b had been up for `up` seconds.
    private func note(
        _ ledger: inout HealingLedger, _ lacking: [LackingCopy], up: Int?, asked: Set<String> = ["a", "b"],
        user: String = "u", now: Int = 0
    ) -> [LackingCopy] {
        ledger.note(
            user, lacking: lacking, asked: asked, uptime: up.map { ["b": .seconds($0)] } ?? [:], now: .seconds(now))
    }

    @Test func `a copy is due when its server was up for heal_after without it`() {
        var ledger = HealingLedger(healAfter: .seconds(100))
        #expect(note(&ledger, [one], up: 1_000) == [])
        #expect(note(&ledger, [one, two], up: 1_099) == [])
        #expect(note(&ledger, [one, two], up: 1_100) == [one])
        #expect(note(&ledger, [one, two], up: 1_199) == [one, two])
    }

    @Test func `time in which the server is down does not count`() {
        var ledger = HealingLedger(healAfter: .seconds(100))
        #expect(note(&ledger, [one], up: 50, now: 0) == [])
        #expect(note(&ledger, [one], up: 60, now: 1_000_000) == [])
    }

    @Test func `a server that is not watched is left alone`() {
        var ledger = HealingLedger(healAfter: .zero)
        #expect(note(&ledger, [one], up: nil) == [])
        #expect(ledger.count == 0)
    }

    @Test func `zero means at once`() {
        var ledger = HealingLedger(healAfter: .zero)
        #expect(note(&ledger, [one], up: 0) == [one])
    }

    @Test func `what is no longer lacking begins anew when it is lacking again`() {
        var ledger = HealingLedger(healAfter: .seconds(100))
        #expect(note(&ledger, [one], up: 0) == [])
        #expect(note(&ledger, [], up: 50) == [])
        #expect(ledger.isEmpty)
        #expect(note(&ledger, [one], up: 120) == [])
        #expect(note(&ledger, [one], up: 220) == [one])
    }

    @Test func `a session without the server says nothing about it`() {
        var ledger = HealingLedger(healAfter: .seconds(100))
        #expect(note(&ledger, [one], up: 0) == [])
        #expect(note(&ledger, [], up: 50, asked: ["a"]) == [])
        #expect(note(&ledger, [one], up: 100) == [one])
    }

    @Test func `a watch that began anew waits anew`() {
        var ledger = HealingLedger(healAfter: .seconds(100))
        #expect(note(&ledger, [one], up: 500) == [])
        #expect(note(&ledger, [one], up: 10) == [])
        #expect(note(&ledger, [one], up: 109) == [])
        #expect(note(&ledger, [one], up: 110) == [one])
    }

    @Test func `after a failure each try comes later, at most a day`() {
        var ledger = HealingLedger(healAfter: .zero)
        #expect(note(&ledger, [one], up: 0) == [one])
        var up = 0
        for wait in [3_600, 7_200, 14_400, 28_800, 57_600, 86_400, 86_400] {
            ledger.failed("u", one, uptime: .seconds(up))
            #expect(note(&ledger, [one], up: up + wait - 1) == [], "wait of \(wait)")
            up += wait
            #expect(note(&ledger, [one], up: up) == [one], "wait of \(wait)")
        }
    }

    @Test func `what is done is forgotten`() {
        var ledger = HealingLedger(healAfter: .zero)
        _ = note(&ledger, [one, two], up: 0)
        ledger.done("u", one)
        ledger.done("u", one)
        #expect(ledger.count == 1)
        ledger.done("u", two)
        #expect(ledger.isEmpty)
        #expect(ledger.count == 0)
    }

    @Test func `it takes no more than its limit, and makes room of users who do not come back`() {
        var ledger = HealingLedger(healAfter: .seconds(10), mostCopies: 2)
        _ = note(&ledger, [one], up: 0, user: "old", now: 0)
        _ = note(&ledger, [one, two], up: 0, user: "u", now: 100)
        #expect(ledger.count == 2)
        #expect(note(&ledger, [one, two], up: 20, user: "u", now: 200) == [one], "two did not fit")
        _ = note(&ledger, [one], up: 20, user: "new", now: 700_000)
        #expect(ledger.count == 1, "old and u were last seen more than a week before")
        #expect(note(&ledger, [one], up: 30, user: "new", now: 700_001) == [one])
    }
}
