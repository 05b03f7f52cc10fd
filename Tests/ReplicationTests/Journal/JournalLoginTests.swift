import CoveyCore
import Replication
import Synchronization
import Testing

/// What the keeper tells of a server that refuses the journal's own login.
@Suite(.timeLimit(.minutes(5))) struct JournalLoginTests: TwoJournals {
    let a = MemoryJournal("a")
    let b = MemoryJournal("b")

    @Test func `tells a server that refuses the journal's login from one that is down or well`() async {
        let keeper = keeper()
        let refused = MemoryJournal.Down(isRefusedLogin: true, isServerSilent: false)
        let cut = MemoryJournal.Down(isServerSilent: true)
        await running(keeper) {
            #expect(await !keeper.isLoginRefused(at: "a", since: .now))
            // What was known before the user's login does not count.
            a.state.withLock { $0.failure = refused }
            #expect(await keeper.isLoginRefused(at: "a", since: .now))
            #expect(await !keeper.isLoginRefused(at: "b", since: .now))
            a.state.withLock { $0.failure = cut }
            #expect(await !keeper.isLoginRefused(at: "a", since: .now))
            a.state.withLock { $0.failure = refused }
            #expect(await keeper.isLoginRefused(at: "a", since: .now))
            a.state.withLock { $0.failure = nil }
            #expect(await !keeper.isLoginRefused(at: "a", since: .now))
            #expect(await !keeper.isLoginRefused(at: "nobody", since: .now))
        }
    }

    @Test func `where no attempt ends in time, the last one counts`() async {
        let keeper = keeper(patience: .milliseconds(50))
        #expect(await !keeper.isLoginRefused(at: "a", since: .now))
        a.state.withLock { $0.failure = MemoryJournal.Down(isRefusedLogin: true, isServerSilent: false) }
        await keeper.refresh()
        // Nothing is read any more.
        #expect(await keeper.isLoginRefused(at: "a", since: .now))
    }
}
