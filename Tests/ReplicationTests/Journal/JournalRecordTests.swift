import CoveyCore
import Replication
import Synchronization
import Testing

/// A deletion is put on record: on how many servers, when another proxy knows of it, and what if it cannot be.
@Suite(.timeLimit(.minutes(5))) struct JournalRecordTests: TwoJournals {
    let a = MemoryJournal("a")
    let b = MemoryJournal("b")

    @Test func `a recorded deletion is on both servers when record returns, and another proxy sees it`() async throws {
        let first = keeper()
        try await running(first) {
            #expect(await first.deletedIDs(of: "u1@x").isEmpty)
            try await first.record(Deletions(user: "u1@x", ids: [makeID(1)]))
            #expect(a.messages.count == 1)
            #expect(b.messages.count == 1)
        }
        let second = keeper()
        await running(second) {
            #expect(await second.deletedIDs(of: "u1@x") == [makeID(1)])
            #expect(await second.deletedIDs(of: "u2@x").isEmpty)
        }
    }

    @Test func `what all servers confirmed is in the journals, too, when noteConfirmed returns`() async throws {
        let keeper = keeper()
        await running(keeper) {
            _ = await keeper.deletedIDs(of: "u1@x")
            await keeper.noteConfirmed(Deletions(user: "u1@x", ids: [makeID(1)]))
            #expect(a.messages.count == 1 && b.messages.count == 1)
        }
    }

    /// Two proxies whose readings are good for a while.
    private func betweenReadings(
        poll: Duration, _ body: (JournalKeeper, JournalKeeper) async throws -> Void
    ) async throws {
        let first = keeper(poll: poll)
        let second = keeper(poll: poll)
        try await running(first) {
            try await running(second) {
                for keeper in [first, second] { #expect(await keeper.deletedIDs(of: "u1@x").isEmpty) }
                try await body(first, second)
            }
        }
    }

    @Test func `from the time that record tells on, another proxy knows of the deletion`() async throws {
        try await betweenReadings(poll: .milliseconds(300)) { first, second in
            let known = try await first.record(Deletions(user: "u1@x", ids: [makeID(1)]))
            try await ContinuousClock().sleep(until: known)
            #expect(await second.deletedIDs(of: "u1@x") == [makeID(1)])
        }
    }

    @Test func `who asks for what is on record now gets it without waiting for the next reading`() async throws {
        try await betweenReadings(poll: .seconds(30)) { first, second in
            try await first.record(Deletions(user: "u1@x", ids: [makeID(1)]))
            #expect(await second.deletedIDs(of: "u1@x") == [], "what this is about")
            #expect(await second.deletedIDs(of: "u1@x", since: .now) == [makeID(1)])
            // The other way round; each may write once in a while only.
            try await second.record(Deletions(user: "u2@x", ids: [makeID(2)]))
            #expect(await first.deletedIDs(of: "u2@x", since: .now) == [makeID(2)])
            // Nobody waits for a journal that cannot be read.
            a.state.withLock { $0.isDown = true }
            _ = await second.deletedIDs(of: "u1@x", since: .now)
            #expect(await second.deletedIDs(of: "u1@x", since: .now) == [makeID(1)])
        }
    }

    @Test func `nothing is put on record in journals that nobody can read`() async throws {
        let keeper = keeper()
        for journal in [a, b] { journal.state.withLock { $0.isUnreadable = true } }
        try await running(keeper) {
            _ = await keeper.deletedIDs(of: "u1@x")
            await #expect(throws: DeletionLogError.unavailable) {
                try await keeper.record(Deletions(user: "u1@x", ids: [makeID(1)]))
            }
            #expect(a.messages.isEmpty)
            // One that can be read is enough.
            a.state.withLock { $0.isUnreadable = false }
            await eventually("a is not read again") { await keeper.canRecord }
            try await keeper.record(Deletions(user: "u1@x", ids: [makeID(1)]))
            #expect(a.messages.count == 1)
        }
    }

    @Test func `one server is enough while the other is down, which gets the entry when it is back`() async throws {
        let keeper = keeper()
        b.setDown(true)
        try await running(keeper) {
            _ = await keeper.deletedIDs(of: "u1@x")
            try await keeper.record(Deletions(user: "u1@x", ids: [makeID(1)]))
            #expect(a.messages.count == 1)
            #expect(b.messages.isEmpty)
            b.setDown(false)
            await eventually("b never got the entry") { b.messages.count == 1 }
        }
        a.setDown(true)
        let other = self.keeper()
        await running(other) { #expect(await other.deletedIDs(of: "u1@x") == [makeID(1)]) }
    }

    @Test func `with no journal to write to a deletion is refused, and does not happen later`() async throws {
        let keeper = keeper()
        a.setDown(true)
        b.setDown(true)
        await running(keeper) {
            await #expect(throws: DeletionLogError.unavailable) {
                try await keeper.record(Deletions(user: "u1@x", ids: [makeID(1)]))
            }
            a.setDown(false)
            b.setDown(false)
            try? await Task.sleep(for: .milliseconds(200))
            #expect(await keeper.deletedIDs(of: "u1@x").isEmpty)
            #expect(a.messages.isEmpty)
        }
    }

    @Test func `with full journals a deletion is refused, and one that all servers confirmed is written later`() async {
        let keeper = keeper()
        for journal in [a, b] { journal.state.withLock { $0.isFull = true } }
        await running(keeper) {
            _ = await keeper.deletedIDs(of: "u1@x")
            await keeper.noteConfirmed(Deletions(user: "u1@x", ids: [makeID(1)]))
            await #expect(throws: DeletionLogError.unavailable) {
                try await keeper.record(Deletions(user: "u1@x", ids: [makeID(2)]))
            }
            // However late a copy of it comes.
            await eventually("the confirmed one is not kept") {
                await keeper.deletedIDs(of: "u1@x") == [makeID(1)]
            }
            #expect(a.messages.isEmpty && b.messages.isEmpty)
            for journal in [a, b] { journal.state.withLock { $0.isFull = false } }
            await eventually("never written") { !a.messages.isEmpty && !b.messages.isEmpty }
        }
        for (journal, other) in [(a, b), (b, a)] {
            other.setDown(true)
            let next = self.keeper()
            await running(next) {
                #expect(await next.deletedIDs(of: "u1@x") == [makeID(1)], "from \(journal.name) alone")
            }
            other.setDown(false)
        }
    }

    @Test func `deletions of one moment share a message`() async throws {
        let keeper = keeper()
        try await running(keeper) {
            _ = await keeper.deletedIDs(of: "u1@x")
            try await withThrowingTaskGroup { group in
                for number in 0..<50 {
                    group.addTask {
                        try await keeper.record(Deletions(user: "u\(number)@x", ids: [makeID(number)]))
                    }
                }
                try await group.waitForAll()
            }
            #expect(a.messages.count < 10)
            for number in 0..<50 { #expect(await keeper.deletedIDs(of: "u\(number)@x") == [makeID(number)]) }
        }
    }
}
