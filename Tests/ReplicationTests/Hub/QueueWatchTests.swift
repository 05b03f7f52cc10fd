import CoveyCore
import Glibc
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// Keeps what is logged, `level message key=value …`.
private final class LogRecord: Sendable {
    private let text = Mutex<[String]>([])
    var lines: [String] { text.withLock { $0 } }
    var logger: Logger { Logger(label: "test") { _ in Handler(record: self) } }

    private struct Handler: LogHandler {
        let record: LogRecord
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let data = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            let line = (["\(event.level)", "\(event.message)"] + data).joined(separator: " ")
            record.text.withLock { $0.append(line) }
        }
    }
}

@Suite(.timeLimit(.minutes(1))) @BlockingThread struct QueueWatchTests {
    /// A hub whose postqueue prints a file, and ends as the file `status` says.
    private struct Hub: ~Copyable {
        let directory: ScriptDirectory
        let log = LogRecord()
        let watch: QueueWatch
        let clock: Clock

        final class Clock: Sendable {
            let now = Mutex(0)
        }

        init() throws {
            let directory = try ScriptDirectory()
            let path = directory.path
            let postqueue = try directory.script(
                "postqueue", "[ \"$1\" = -j ] || exit 9; cat \(path)/queue; exit $(cat \(path)/status)")
            let postconf = try directory.script(
                "postconf", "[ \"$1\" = -x ] || exit 9; shift; for i; do echo \"$i = 2d\"; done")
            let clock = Clock()
            self.clock = clock
            self.directory = directory
            watch = QueueWatch(
                logger: log.logger, postqueue: [postqueue, "-j"], postconf: postconf,
                now: { clock.now.withLock { $0 } })
        }

        func look(at now: Int, status: Int = 0, _ lines: [String], end: String = "\n") async {
            clock.now.withLock { $0 = now }
            let text = lines.joined(separator: "\n") + (lines.isEmpty ? "" : end)
            _ = Command.run(["sh", "-c", "cat >\(directory.path)/queue"], input: text)
            _ = Command.run(["sh", "-c", "echo \(status) >\(directory.path)/status"])
            await watch.look()
        }
    }

    private static func line(_ id: String, to recipient: String, _ reason: String, at arrival: Int = 0) -> String {
        """
        {"queue_name": "deferred", "queue_id": "\(id)", "arrival_time": \(arrival), "message_size": 472, \
        "forced_expire": false, "sender": "ann@elsewhere.example", "recipients": [{"address": "\(recipient)", \
        "delay_reason": "\(reason)"}]}
        """
    }
    private static let refused = line(
        "D1", to: "u5@example.com.b.covey.invalid", "host b[1] said: 550 5.1.1 no (in reply to RCPT TO command)")
    private static let waiting = line("D2", to: "u6@example.com.b.covey.invalid", "connect to b: Connection refused")
    private static let other = line("D3", to: "bob@remote.test", "host x[1] said: 550 5.1.1 no")

    @Test func `a refused copy is told with all that is needed to repair it, once`() async throws {
        let hub = try Hub()
        for now in [60, 360] { await hub.look(at: now, [Self.other, Self.waiting, Self.refused]) }
        let errors = hub.log.lines.filter { $0.hasPrefix("error ") }
        #expect(errors.count == 1)
        let error = try #require(errors.first)
        #expect(error.hasPrefix("error missing copy refused for good age=60s queue.id=D1 "))
        #expect(error.contains(" recipient=u5@example.com ") && error.contains(" server=b"))
        #expect(error.contains(" reason=host b[1] said: 550 5.1.1 no (in reply to RCPT TO command) "))
        #expect(hub.watch.gauges.servers == ["b": .init(waiting: 2, refused: 1, oldestArrival: 0)])
        #expect(!hub.log.lines.joined().contains("bob@"))
        // Numbers are told when they change.
        #expect(
            hub.log.lines.filter { $0.hasPrefix("info missing copies in the queue") }
                == ["info missing copies in the queue copies=2 oldest=60s refused=1 server=b"])
    }

    @Test func `the lifetime is Postfix's own, and what is given up is told`() async throws {
        let hub = try Hub()
        await hub.look(at: 86_399, [Self.waiting])
        #expect(!hub.log.lines.contains { $0.hasPrefix("error ") })
        await hub.look(at: 86_400, [Self.waiting])
        for now in [172_801, 173_101] { await hub.look(at: now, []) }
        #expect(
            hub.log.lines.filter { $0.hasPrefix("error ") }.map { $0.prefix { $0 != "=" } } == [
                "error missing copy near the end of its time in the queue age", "error missing copy given up age",
            ])
        #expect(hub.watch.gauges.givenUp == 1 && hub.watch.gauges.servers.isEmpty)
    }

    @Test func `a queue that cannot be read to its end is no empty queue`() async throws {
        let hub = try Hub()
        await hub.look(at: 172_000, [Self.refused])
        let errors = hub.log.lines.count { $0.hasPrefix("error ") }
        for _ in 0..<2 {
            await hub.look(at: 173_000, status: 69, [])
            await hub.look(at: 173_000, [Self.other], end: "")
        }
        let later = hub.log.lines.count { $0.hasPrefix("error ") }
        #expect(later == errors)
        #expect(hub.watch.gauges.lookedAt == 172_000)
        #expect(hub.watch.gauges.servers["b"]?.refused == 1)
        let warnings = hub.log.lines.filter { $0.hasPrefix("warning queue not watched") }
        #expect(warnings.count == 4, "each failure that differs from the last: \(warnings)")
        await hub.look(at: 173_000, [Self.refused])
        #expect(hub.log.lines.filter { $0.hasPrefix("notice ") } == ["notice queue watched again"])
        #expect(hub.watch.gauges.lookedAt == 173_000)
    }

    @Test func `a hub without Postfix says so once`() async {
        let log = LogRecord()
        let watch = QueueWatch(
            logger: log.logger, postqueue: ["/nonexistent/postqueue", "-j"], postconf: "/nonexistent",
            now: { 0 })
        await watch.look()
        await watch.look()
        #expect(log.lines.count == 1)
        #expect(log.lines.first?.hasPrefix("warning queue not watched") == true)
        #expect(watch.gauges.lookedAt == nil)
    }

    @Test func `a large queue of other mail is read through, and many copies make few lines`() async throws {
        let hub = try Hub()
        let line = Self.other.replacing("\"", with: "\\\"")
        let copy = Self.refused.replacing("\"", with: "\\\"").replacing("D1", with: "M%d")
        // The queue is made by the script: 10,000 others, 1,000 refused copies.
        _ = try hub.directory.script(
            "postqueue",
            "awk 'BEGIN { for (i = 0; i < 10000; i++) print \"\(line)\"; for (i = 0; i < 1000; i++) printf \"\(copy)\\n\", i }'"
        )
        await hub.watch.look()
        #expect(hub.watch.gauges.servers["b"] == .init(waiting: 1000, refused: 1000, oldestArrival: 0))
        let errors = hub.log.lines.filter { $0.hasPrefix("error ") }
        #expect(errors.count == QueueWatch.mostReports + 1)
        #expect(errors.last?.contains("copies=950") == true)
    }

    @Test(
        arguments: [
            // A look that failed, nothing to see, something to see; and a queue that takes long to read.
            (false, 0, true, 60), (true, 0, false, 300), (true, 0, true, 30), (true, 1, true, 30), (true, 5, true, 100),
            (true, 60, true, 300), (true, 60, false, 300),
        ])
    func `the next look comes the sooner the more there is to see, and the less it costs`(
        isDone: Bool, took: Int, isWorthLooking: Bool, seconds: Int
    ) {
        #expect(
            QueueWatch.pause(isDone: isDone, took: .seconds(took), isWorthLooking: isWorthLooking) == .seconds(seconds))
    }
}
