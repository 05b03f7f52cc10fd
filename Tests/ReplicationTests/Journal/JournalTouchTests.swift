import CoveyCore
import Replication
import Synchronization
import Testing

/// Heartbeats: servers that have lost touch, and clocks that are wrong.
@Suite(.timeLimit(.minutes(5))) struct JournalTouchTests: TwoJournals {
    let a = MemoryJournal("a")
    let b = MemoryJournal("b")

    @Test func `a new cluster gets one heartbeat in each journal, however many proxies there are`() async throws {
        let (first, second) = (keeper(), keeper())
        await running(first) {
            await eventually("no heartbeat") { !a.marks.isEmpty && !b.marks.isEmpty }
            await running(second) {
                try? await Task.sleep(for: .milliseconds(300))
                #expect(Set(a.marks) == [JournalMark(.heartbeat, server: "a", time: now)])
                #expect(Set(b.marks) == [JournalMark(.heartbeat, server: "b", time: now)])
                #expect(a.marks.count == 1)
                #expect(await second.serversOutOfTouch().isEmpty)
            }
        }
    }

    @Test
    func `a server restored from an old backup has lost touch, gets no heartbeat, and is in touch after a resync`()
        async throws
    {
        await a.put(marks: (0...10).map { JournalMark(.heartbeat, server: "a", time: now - $0 * day) })
        await b.put(marks: [JournalMark(.heartbeat, server: "b", time: now - 6 * day)])
        let proxy = keeper()
        await running(proxy) {
            _ = await proxy.deletedIDs(of: "u1@x")
            #expect(await proxy.serversOutOfTouch() == ["b"])
            try? await Task.sleep(for: .milliseconds(300))
            #expect(b.marks.count == 1)
            let operating = keeper()
            _ = await operating.survey()
            #expect(await operating.markResynced("b"))
            await eventually("still out of touch") { await proxy.serversOutOfTouch().isEmpty }
        }
        let later = keeper(at: now + day + 4_000)
        await running(later) {
            await eventually("no heartbeat again") {
                b.marks.contains(JournalMark(.heartbeat, server: "b", time: now + day + 4_000))
            }
        }
    }

    @Test func `an empty journal in an old cluster has lost touch`() async throws {
        await a.put(marks: (0...9).map { JournalMark(.heartbeat, server: "a", time: now - $0 * day) })
        let proxy = keeper()
        await running(proxy) {
            _ = await proxy.deletedIDs(of: "u1@x")
            #expect(await proxy.serversOutOfTouch() == ["b"])
        }
    }

    @Test func `marks survive a compaction`() async throws {
        await a.put(marks: (0...12).map { JournalMark(.heartbeat, server: "a", time: now - $0 * day) })
        await a.put(marks: [JournalMark(.resynced, server: "a", time: now - 11 * day)])
        let keeper = keeper()
        _ = await keeper.survey()
        #expect(await keeper.compactAll() == [])
        #expect(
            Set(a.marks)
                == Set(
                    (0...10).map { JournalMark(.heartbeat, server: "a", time: now - $0 * day) }
                        + [JournalMark(.resynced, server: "a", time: now - 11 * day)]))
    }

    @Test func `all journals emptied get heartbeats anew, also by the proxy that wrote the last ones`() async throws {
        let keeper = keeper(stores: [a])
        try await running(keeper) {
            await eventually("no heartbeat") { !a.marks.isEmpty }
            // Until it has been read back.
            _ = await keeper.deletedIDs(of: "u1@x", since: .now)
            try await a.remove(Set(a.state.withLock { $0.messages.map(\.uniqueID) }))
            await eventually("no heartbeat again") { !a.marks.isEmpty }
        }
    }

    @Test func `with a clock that is years ahead nothing expires`() async throws {
        await a.put(
            [JournalEntry(user: "u1@x", ids: [try #require(UniqueID(makeID(1)))], time: now - day)],
            marks: [JournalMark(.heartbeat, server: "a", time: now)])
        let wrong = keeper(at: now + 5_000 * day)
        await running(wrong) {
            await eventually("never written") { !b.messages.isEmpty }
            #expect(await wrong.deletedIDs(of: "u1@x") == [makeID(1)])
        }
        #expect(a.marks.allSatisfy { $0.time <= now + 2 * day }, "\(a.marks)")
    }

    @Test func `a deletion by a proxy whose clock is years behind counts all the same`() async throws {
        await a.put(marks: [JournalMark(.heartbeat, server: "a", time: now)])
        let behind = keeper(at: 1_000)
        try await running(behind) {
            _ = await behind.deletedIDs(of: "u1@x")
            try await behind.record(Deletions(user: "u1@x", ids: [makeID(1)]))
        }
        let right = keeper()
        await running(right) { #expect(await right.deletedIDs(of: "u1@x") == [makeID(1)]) }
    }
}
