import CoveyCore
import Logging
import MailWire
import NIOCore
import Replication
import Synchronization
import Testing

/// A journal mailbox in memory, which can be down, or refuse to be written.
private final class MemoryJournal: JournalStore {
    struct Down: JournalFailure, Equatable {
        var isRefusedLogin = false
        var isServerSilent: Bool
    }
    struct State {
        var messages: [(uniqueID: String, octets: ByteBuffer)] = []
        var next = 0
        var isDown = false
        /// Mail comes in, but nobody can log in.
        var isUnreadable = false
        /// Why nobody can.
        var failure: (any Error)?
        /// Messages with deletions that were fetched.
        var fetched = 0
        /// A reading brings no more than that.
        var mostAtOnce = Int.max
    }

    let name: String
    let state = Mutex(State())

    init(_ name: String) { self.name = name }

    /// Messages with deletions; heartbeats are others.
    var messages: [ByteBuffer] {
        state.withLock { $0.messages.map(\.octets).filter { String(buffer: $0).contains("\r\ndeleted ") } }
    }
    /// Marks in it, in order.
    var marks: [JournalMark] {
        state.withLock { state in
            state.messages.flatMap { JournalMessage.read(Array($0.octets.readableBytesView), codec: codec).marks }
        }
    }
    /// Puts a message there that some program wrote.
    func put(_ entries: [JournalEntry] = [], marks: [JournalMark] = [], codec other: JournalCodec? = nil) async {
        let heading = JournalMessage.Heading(mailbox: "j@x", host: "p", date: "-", messageID: "1@p")
        _ = await append(ByteBuffer(string: JournalMessage.text(entries, marks: marks, heading, codec: other ?? codec)))
    }
    func setDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }

    func read(known: Set<String>) async throws -> JournalReading {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            if state.isDown || state.isUnreadable { throw Down(isServerSilent: state.isDown) }
            let new = state.messages.filter { !known.contains($0.uniqueID) }.prefix(state.mostAtOnce)
            state.fetched += new.count { String(buffer: $0.octets).contains("\r\ndeleted ") }
            return JournalReading(uniqueIDs: Set(state.messages.map(\.uniqueID)), new: Array(new))
        }
    }

    func append(_ text: ByteBuffer) async -> Bool {
        state.withLock { state in
            guard !state.isDown else { return false }
            state.next += 1
            state.messages.append(("\(name)\(state.next)", text))
            return true
        }
    }

    func remove(_ uniqueIDs: Set<String>) async throws {
        try state.withLock { state in
            if state.isDown { throw Down(isServerSilent: true) }
            state.messages.removeAll { uniqueIDs.contains($0.uniqueID) }
        }
    }
}

private let now = 1_764_000_000
private let day = 86_400
private let key = ClusterKey(octets: Array(0..<32))
private let codec = JournalCodec(key: key)

private func makeID(_ number: Int) -> String {
    UniqueID(kind: .stamped, digest: (0..<16).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }).description
}

@Suite(.timeLimit(.minutes(5))) struct JournalKeeperTests {
    private let a = MemoryJournal("a")
    private let b = MemoryJournal("b")

    /// - Parameter patience: all other tests run at the same time, and a reading may be long in coming.
    private func keeper(
        expire: Int = 864_000, at time: Int = now, patience: Duration = .seconds(30),
        poll: Duration = .milliseconds(20)
    ) -> JournalKeeper {
        JournalKeeper(
            stores: [a, b], key: key,
            settings: .init(
                mailbox: "j@x", host: "p", expire: expire, poll: poll, patience: patience,
                repairInterval: .milliseconds(50)),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, wallClock: { time })
    }

    @discardableResult
    private func running<R>(_ keeper: JournalKeeper, _ body: () async throws -> R) async rethrows -> R {
        let task = Task { await keeper.run() }
        defer { task.cancel() }
        return try await body()
    }

    private func eventually(_ what: Comment, _ condition: () async -> Bool) async {
        for _ in 0..<6_000 {
            if await condition() { return }
            try? await Task.sleep(for: .milliseconds(10))
        }
        Issue.record(what)
    }

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

    // MARK: heartbeats

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
