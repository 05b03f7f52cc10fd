public import CoveyCore
import Glibc
public import Logging
import Synchronization

/// Watches the MTA's queue for missing copies that will never arrive (design §4.2): a refused one stays there for days and
/// is then dropped without a bounce, because its sender was told 250.
///
/// Postfix only: `postqueue -j` is read as it comes, and nothing is kept of other people's mail. The rules are
/// `MissingCopyWatch`'s.
public final class QueueWatch: Sendable {
    /// Between two looks. Copies stay for days, so a look costs more than it is worth more often.
    public static let interval = Duration.seconds(300)
    /// While there is something to see: copies that wait, or that were left to the queue since.
    static let shortInterval = Duration.seconds(30)
    /// How much of its time the watch may spend looking: a long queue on a busy disk is read less often.
    static let shareOfTime = 20
    /// After a look that failed: the MTA may have been started after us.
    static let retryInterval = Duration.seconds(60)
    /// A queue of 100,000 messages takes its time on a busy disk.
    static let patience = Duration.seconds(240)
    /// A message with 1,000 recipients on eight servers, each with a long reason, stays below this.
    static let longestLine = 16 << 20
    /// Lines logged about one event in one look; what is more is counted in one line.
    static let mostReports = 50

    private struct State {
        var watch = MissingCopyWatch()
        var lastFailure: String?
        var counts: [String: Int] = [:]
        /// Whether copies were left to the queue since the last look began.
        var hasNews = false

        var isWorthLooking: Bool { hasNews || watch.gauges.servers.values.contains { $0.waiting > 0 } }
    }

    private let logger: Logger
    private let postqueue: [String]
    private let postconf: String
    private let now: @Sendable () -> Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - postqueue: prints the queue as postqueue(1) does with `-j`.
    ///   - postconf: prints parameters as postconf(1) does.
    ///   - now: seconds since 1970.
    public init(
        logger: Logger, postqueue: [String] = ["postqueue", "-j"], postconf: String = "postconf",
        now: @escaping @Sendable () -> Int
    ) {
        self.logger = logger
        self.postqueue = postqueue
        self.postconf = postconf
        self.now = now
    }

    /// What the last look counted.
    public var gauges: MissingCopyGauges { state.withLock(\.watch.gauges) }

    /// Looks now and then until the task is cancelled.
    public func run() async {
        let clock = ContinuousClock()
        while !Task.isCancelled {
            let began = clock.now
            let isDone = await look()
            let ended = clock.now
            let took = began.duration(to: ended)
            repeat {
                try? await clock.sleep(for: .seconds(5))
            } while !Task.isCancelled
                && ended.duration(to: clock.now)
                    < QueueWatch.pause(isDone: isDone, took: took, isWorthLooking: state.withLock(\.isWorthLooking))
        }
    }

    /// Copies were left to the queue: the next look comes sooner.
    public func expectCopies() {
        state.withLock { $0.hasNews = true }
    }

    /// From the end of a look to the next one.
    static func pause(isDone: Bool, took: Duration, isWorthLooking: Bool) -> Duration {
        guard isDone else { return retryInterval }
        return isWorthLooking ? min(interval, max(shortInterval, took * shareOfTime)) : interval
    }

    /// Reads the queue once, and logs what is new; false when it could not be read.
    @discardableResult
    public func look() async -> Bool {
        let lifetime = await lifetime()
        state.withLock { $0.hasNews = false }
        let look = state.withLock { $0.watch.look(at: now(), lifetime: lifetime) }
        let command = postqueue
        switch await Command.aside({ QueueWatch.read(command, look) }) ?? .failed("no thread to be had") {
        case .failed(let reason):
            note(failure: reason)
            return false
        case .seen(let look, let unread):
            note(failure: unread == 0 ? nil : "\(unread) lines of its output were not understood")
            finish(look)
            return true
        }
    }

    private enum Reading: Sendable {
        /// The queue, and the number of its lines that were not understood.
        case seen(MissingCopyWatch.Look, unread: Int)
        case failed(String)
    }

    private static func read(_ command: [String], _ start: MissingCopyWatch.Look) -> Reading {
        var look = start
        var lines = LineSplitter(limit: longestLine)
        var unread = 0
        let status = Command.run(command, patience: patience) { piece in
            lines.take(piece) { line in
                // Most of a queue is no business of ours: not even parsed.
                guard mentionsMissingCopy(line) else { return }
                guard let message = QueuedMessage(postqueueLine: line) else {
                    unread += 1
                    return
                }
                for copy in message.missingCopies { look.take(copy) }
            }
        }
        guard let status else { return .failed("\(command.first ?? "") cannot be run") }
        guard status == 0 else { return .failed("exit status \(status)") }
        guard !lines.isInLine else { return .failed("its output ends in the middle of a line") }
        return .seen(look, unread: unread + lines.tooLong)
    }

    private static let mark = Array(".\(MailboxAddress.reservedDomain)".utf8)

    private static func mentionsMissingCopy(_ line: ArraySlice<UInt8>) -> Bool {
        line.withUnsafeBytes { line in
            mark.withUnsafeBytes { mark in
                guard let wanted = mark.baseAddress, var start = line.baseAddress else { return false }
                let end = start + line.count
                // The first octet is a dot: memchr skips most of the line.
                while let dot = memchr(start, Int32(mark[0]), end - start) {
                    guard UnsafeRawPointer(dot) + mark.count <= end else { return false }
                    if memcmp(dot, wanted, mark.count) == 0 { return true }
                    start = UnsafeRawPointer(dot) + 1
                }
                return false
            }
        }
    }

    private func lifetime() async -> QueueLifetime {
        let words = [postconf, "-x"] + QueueLifetime.parameters
        guard let result = await Command.runAside(words), result.status == 0 else { return .standard }
        return QueueLifetime(postconf: result.output) ?? .standard
    }

    // MARK: log

    /// Said once, until it is over: a hub may have no Postfix, or a broken one.
    private func note(failure: String?) {
        let last = state.withLock { state in
            defer { state.lastFailure = failure }
            return state.lastFailure
        }
        guard failure != last else { return }
        guard let failure else { return logger.notice("queue watched again") }
        logger.warning(
            "queue not watched; look for missing copies with mailq",
            metadata: ["command": "\(postqueue.joined(separator: " "))", "reason": "\(failure)"])
    }

    private func finish(_ look: MissingCopyWatch.Look) {
        let (reports, gauges, changed) = state.withLock { state in
            let reports = state.watch.finish(look)
            let gauges = state.watch.gauges
            let counts = gauges.servers.mapValues(\.waiting)
            defer { state.counts = counts }
            return (
                reports, gauges, Set(counts.keys).union(state.counts.keys).filter { counts[$0] != state.counts[$0] }
            )
        }
        for event in [MissingCopyWatch.Event.refused, .ending, .givenUp, .left] {
            log(event, reports.filter { $0.event == event }.map(\.copy))
        }
        for name in changed.sorted() {
            let server = gauges.servers[name] ?? .init()
            var metadata: Logger.Metadata = ["server": "\(name)", "copies": "\(server.waiting)"]
            if let oldest = server.oldestArrival { metadata["oldest"] = "\(max(0, now() - oldest))s" }
            if server.refused > 0 { metadata["refused"] = "\(server.refused)" }
            if server.ending > 0 { metadata["ending"] = "\(server.ending)" }
            logger.info("missing copies in the queue", metadata: metadata)
        }
    }

    private func log(_ event: MissingCopyWatch.Event, _ copies: [MissingCopy]) {
        for copy in copies.prefix(QueueWatch.mostReports) {
            logger.log(
                level: event.level, "\(event.message)",
                metadata: [
                    "queue.id": "\(DeliveryLog.safe(copy.key.queueID))",
                    "recipient": "\(DeliveryLog.safe(copy.mailbox))", "server": "\(DeliveryLog.safe(copy.server))",
                    "age": "\(max(0, now() - copy.key.arrival))s",
                    "reason": "\(DeliveryLog.safe(copy.reason ?? "none given"))", "remedy": "\(event.remedy)",
                ])
        }
        guard copies.count > QueueWatch.mostReports else { return }
        logger.log(
            level: event.level, "\(event.message): more of them",
            metadata: ["copies": "\(copies.count - QueueWatch.mostReports)", "remedy": "\(event.remedy)"])
    }
}

extension MissingCopyWatch.Event {
    fileprivate var level: Logger.Level { self == .left ? .notice : .error }

    fileprivate var message: String {
        switch self {
        case .refused: "missing copy refused for good"
        case .ending: "missing copy near the end of its time in the queue"
        case .givenUp: "missing copy given up"
        case .left: "missing copy has left the queue"
        }
    }

    fileprivate var remedy: String {
        switch self {
        case .refused: "repair what the server complains of; the queue tries again by itself"
        case .ending: "bring the server back and run the flush command, or copy the message by hand (README)"
        case .givenUp: "see mail.log for the queue id; copy the message by hand from another server (README)"
        case .left: "none needed; see mail.log for the queue id"
        }
    }
}
