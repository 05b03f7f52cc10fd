import CoveyCore
import Logging
import MailWire
import Replication
import Testing

/// The time, the key and the ids of the tests of JournalKeeper.
enum JournalFixture {
    static let now = 1_764_000_000
    static let day = 86_400
    static let key = ClusterKey(octets: Array(0..<32))
    static let codec = JournalCodec(key: key)
}

/// A suite on a cluster of two journals, with as many proxies as a test makes keepers.
protocol TwoJournals {
    var a: MemoryJournal { get }
    var b: MemoryJournal { get }
}

extension TwoJournals {
    var now: Int { JournalFixture.now }
    var day: Int { JournalFixture.day }
    var codec: JournalCodec { JournalFixture.codec }

    func makeID(_ number: Int) -> String {
        UniqueID(kind: .stamped, digest: (0..<16).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }).description
    }

    func keeper(
        expire: Int = 864_000, at time: Int = JournalFixture.now, patience: Duration = .seconds(20),
        poll: Duration = .milliseconds(20), stores: [MemoryJournal]? = nil
    ) -> JournalKeeper {
        JournalKeeper(
            stores: stores ?? [a, b], key: JournalFixture.key,
            settings: .init(
                mailbox: "j@x", host: "p", expire: expire, poll: poll, patience: patience,
                repairInterval: .milliseconds(50)),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, wallClock: { time })
    }

    @discardableResult
    func running<R>(_ keeper: JournalKeeper, _ body: () async throws -> R) async rethrows -> R {
        let task = Task { await keeper.run() }
        defer { task.cancel() }
        return try await body()
    }

    func eventually(_ what: Comment, _ condition: () async -> Bool) async {
        for _ in 0..<3000 {
            if await condition() { return }
            try? await Task.sleep(for: .milliseconds(10))
        }
        Issue.record(what)
    }
}
