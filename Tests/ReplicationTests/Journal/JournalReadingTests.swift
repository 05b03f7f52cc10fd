import CoveyCore
import NIOCore
import Replication
import Synchronization
import Testing

/// What the keeper reads, keeps and passes on, and what it makes of journals that are long, empty or forged.
@Suite(.timeLimit(.minutes(5))) struct JournalReadingTests: TwoJournals {
    let a = MemoryJournal("a")
    let b = MemoryJournal("b")

    @Test func `the figures tell entries, what a journal lacks, and which servers are silent`() async throws {
        let keeper = keeper()
        #expect(await keeper.figures.servers.allSatisfy { $0.isReadable }, "nothing was tried yet")
        try await running(keeper) {
            _ = await keeper.deletedIDs(of: "u1@x")
            b.setDown(true)
            await eventually("b is not missed") { await keeper.figures["b"]?.isServerSilent == true }
            a.state.withLock { $0.isUnreadable = true }
            await eventually("a is not missed") { await keeper.figures["a"]?.isReadable == false }
            #expect(await keeper.figures["a"]?.isServerSilent == false, "it answers, and refuses")
            a.state.withLock { $0.isUnreadable = false }
            await eventually("a is not read again") { await keeper.figures["a"]?.isReadable == true }
            try await keeper.record(Deletions(user: "u1@x", ids: [makeID(1), makeID(2)]))
            let figures = await keeper.figures
            #expect(figures.entries == 2)
            #expect(figures.pending == 0)
            #expect(figures.servers.map(\.missing) == [0, 2])
            b.setDown(false)
            await eventually("b does not get what it lacks") { await keeper.figures["b"]?.missing == 0 }
            #expect(await keeper.figures["b"]?.isReadable == true)
            #expect(await keeper.figures["b"]?.reason == nil)
        }
    }

    @Test func `a proxy that was cut off hears what was deleted meanwhile before it tells what is there`() async throws
    {
        let keeper = keeper()
        try await running(keeper) {
            _ = await keeper.deletedIDs(of: "u1@x")
            b.setDown(true)
            await eventually("b is not missed") { await keeper.figures["b"]?.isServerSilent == true }
            b.state.withLock { $0.isHanging = true }
            await eventually("no packet gets lost") { b.state.withLock(\.hanging) == 1 }
            b.setDown(false)
            await b.put([JournalEntry(user: "u1@x", ids: [try #require(UniqueID(makeID(1)))], time: now)])
            b.state.withLock { $0.isHanging = false }
            #expect(await keeper.deletedIDs(of: "u1@x") == [], "what this is about")
            #expect(await keeper.deletedIDs(of: "u1@x", since: .now) == [makeID(1)])
        }
    }

    @Test func `nothing is fetched twice while nothing is new`() async throws {
        let keeper = keeper()
        try await running(keeper) {
            try await keeper.record(Deletions(user: "u1@x", ids: [makeID(1)]))
            await eventually("never read back") { a.state.withLock { $0.fetched } == 1 }
            try await Task.sleep(for: .milliseconds(200))
            #expect(a.state.withLock { $0.fetched } == 1)
        }
    }

    @Test func `a journal that was replaced by an empty one is filled from the others`() async throws {
        let keeper = keeper()
        try await running(keeper) {
            try await keeper.record(Deletions(user: "u1@x", ids: [makeID(1)]))
            await eventually("never read back") { b.state.withLock { $0.fetched } == 1 }
            b.state.withLock { $0.messages = [] }
            await eventually("b stayed empty") { !b.messages.isEmpty }
        }
    }

    @Test func `entries older than expire count no more`() async throws {
        try await running(keeper()) {
            try await keeper().record(Deletions(user: "u1@x", ids: [makeID(1)]))
            await eventually("no heartbeats") { !a.marks.isEmpty && !b.marks.isEmpty }
        }
        // The clock alone is not believed: a heartbeat says that the cluster has come that far.
        let early = keeper(expire: 100, at: now + 101)
        await running(early) { #expect(await early.deletedIDs(of: "u1@x") == [makeID(1)]) }
        await a.put(marks: [JournalMark(.heartbeat, server: "a", time: now + 101)])
        let later = keeper(expire: 100, at: now + 101)
        await running(later) { #expect(await later.deletedIDs(of: "u1@x").isEmpty) }
    }

    @Test func `a journal of more than a thousand messages becomes one, and loses nothing`() async throws {
        for number in 0..<1_001 {
            let entry = JournalEntry(user: "u1@x", ids: [try #require(UniqueID(makeID(number)))], time: now)
            let heading = JournalMessage.Heading(mailbox: "j@x", host: "p", date: "-", messageID: "\(number)@p")
            _ = await a.append(ByteBuffer(string: JournalMessage.text([entry], heading, codec: codec)))
        }
        let keeper = keeper()
        await running(keeper) {
            await eventually("never compacted") { a.messages.count < 10 }
            #expect(await keeper.deletedIDs(of: "u1@x").count == 1_001)
        }
        b.setDown(true)
        let other = self.keeper()
        await running(other) { #expect(await other.deletedIDs(of: "u1@x").count == 1_001) }
    }

    @Test func `a journal that comes in parts is read to its end`() async throws {
        for number in 0..<25 {
            await a.put([JournalEntry(user: "u1@x", ids: [try #require(UniqueID(makeID(number)))], time: now)])
        }
        a.state.withLock { $0.mostAtOnce = 4 }
        let keeper = keeper()
        await running(keeper) { #expect(await keeper.deletedIDs(of: "u1@x").count == 25) }
    }

    @Test func `forged and foreign messages have no effect and survive a compaction`() async throws {
        let id = try #require(UniqueID(makeID(7)))
        await a.put(
            [JournalEntry(user: "u1@x", ids: [id], time: now)],
            codec: JournalCodec(key: ClusterKey(octets: Array(1..<33))))
        _ = await a.append(ByteBuffer(string: "Subject: buy now\r\n\r\ndeleted 1 u1@x \(id) aaaa\r\n"))
        _ = await a.append(ByteBuffer(string: "Subject: empty\r\n\r\n"))
        await a.put([JournalEntry(user: "u1@x", ids: [try #require(UniqueID(makeID(8)))], time: now)])
        let keeper = keeper()
        let survey = await keeper.survey()
        #expect(survey.map(\.foreign) == [3, 0])
        #expect(survey.map(\.deletions) == [1, 0])
        #expect(await keeper.compactAll() == [])
        #expect(a.state.withLock { $0.messages.count } == 4)
        #expect(await self.keeper().survey().map(\.foreign) == [3, 0])
        #expect(await self.keeper().survey().map(\.deletions) == [1, 1])
    }
}
