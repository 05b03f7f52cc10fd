import Foundation
import TestSupport
import Testing

extension RealServers {
    /// Senders and mail programs at work while hosts die. `scripts/chaos` runs it for longer.
    ///
    /// `COVEY_CHAOS_SECONDS` (default 120): how long things break. `COVEY_CHAOS_SEED`: of the schedule and the choices.
    /// `COVEY_CHAOS_ALL_MAILBOXES=1`: all mailbox servers may be broken at once.
    @Suite(.lab(mailboxes: 3, suffix: "-chaos")) struct Chaos {
        private static func setting(_ name: String) -> Int? {
            ProcessInfo.processInfo.environment[name].flatMap(Int.init)
        }

        private static let seconds = setting("COVEY_CHAOS_SECONDS") ?? 120
        private static let seed = setting("COVEY_CHAOS_SEED") ?? Int.random(in: 1...1_000_000)
        private static let breaksAll = setting("COVEY_CHAOS_ALL_MAILBOXES") == 1

        @Test func `Whatever breaks, no promise is broken`() throws {
            let lab = try Lab.current
            let users = (1...8).map { "u\($0)@example.com" }
            let seed = Chaos.seed
            print("chaos: seed \(seed), \(Chaos.seconds) s")
            for hub in lab.hubs { try lab.warmUp(users, at: hub) }
            let schedule = ChaosSchedule(
                seed: UInt64(seed), seconds: Double(Chaos.seconds), hubs: lab.hubs, mailboxes: lab.mailboxes,
                breaksAll: Chaos.breaksAll)
            let run = ChaosRun(lab, users: users, seed: UInt64(seed))
            run.start(senders: 6)
            let breaker = ChaosBreaker(lab, run)
            do {
                try breaker.play(schedule)
            } catch {
                // Else they would go on, at the hosts of the labs that come after.
                try? run.end()
                throw error
            }
            try run.end()
            try breaker.healEverything()

            let views = try run.finalViews()
            let events = run.events
            let violations = ChaosChecker.violations(in: events, endingIn: views)
            let accepted = events.count { if case .accepted = $0.kind { true } else { false } }
            let deleted = events.reduce(0) { if case .deleted(let ids) = $1.kind { $0 + ids.count } else { $0 } }
            let fetched = events.count { if case .fetched = $0.kind { true } else { false } }
            print(
                "chaos: \(schedule.items.count) faults, \(accepted) messages accepted, \(fetched) fetched, "
                    + "\(deleted) deleted, \(violations.count) violations")
            let skipped = events.count {
                if case .fault(let text) = $0.kind { text.hasSuffix("could not be made") } else { false }
            }
            #expect(skipped <= max(1, schedule.items.count / 10), "faults that could not be made")
            #expect(accepted > 20 && fetched > 20 && deleted > 5, "nothing was tried")
            for violation in violations.prefix(5) { Issue.record("seed \(seed): \(violation)") }
            #expect(violations.isEmpty, "seed \(seed): \(violations.count) violations")
        }
    }
}
