public import Logging
import Synchronization

/// Tells the MTA that a server is back: runs `milter.flush_command` for each cluster domain, so that missing copies
/// need not wait for the queue's next turn (design §4.2).
public final class QueueFlush: Sendable {
    /// A server that comes and goes shall not have the queue run all the time.
    public static let interval = Duration.seconds(10)

    private let words: [String]
    private let domains: [String]
    private let logger: Logger
    private let pause: @Sendable (Duration) async -> Void
    private let now: @Sendable () -> ContinuousClock.Instant
    private let lastRun = Mutex<[String: ContinuousClock.Instant]>([:])

    /// - Parameters:
    ///   - command: `milter.flush_command`, with its `{domain}` and `{server}`.
    ///   - domains: the cluster's.
    ///   - pause: waits that long.
    ///   - now: the time.
    public init(
        command: [String], domains: [String], logger: Logger,
        pause: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) },
        now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
    ) {
        self.now = now
        self.pause = pause
        words = command
        self.domains = domains
        self.logger = logger
    }

    /// After a server's return: at once, and again later. A copy that Postfix is just trying is not in the deferred queue
    /// when the command runs, and would wait for its own turn after that try has failed.
    public func runRepeatedly(server: String) async {
        await run(server: server)
        for pause in QueueFlush.repetitions {
            await self.pause(pause)
            await run(server: server)
        }
    }

    /// Between the runs: a try that hangs on the server's last moment ends after the 10 or 20 s that our transport gives
    /// it (lmtp_connect_timeout, lmtp_lhlo_timeout); the later runs are for stragglers.
    static let repetitions: [Duration] = [.seconds(15), .seconds(15), .seconds(30), .seconds(60), .seconds(180)]

    public func run(server: String) async {
        let now = now()
        let wait = lastRun.withLock { lastRun in
            let earliest = lastRun[server].map { $0 + QueueFlush.interval } ?? now
            lastRun[server] = max(earliest, now)
            return now.duration(to: max(earliest, now))
        }
        if wait > .zero { await pause(wait) }
        var isDone = true
        for domain in domains {
            let command = words.map { word in
                word.replacing("{domain}", with: domain).replacing("{server}", with: server)
            }
            let result = await Command.runAside(command, withErrors: true)
            if result?.status != 0 {
                isDone = false
                logger.warning(
                    "flush command failed; missing copies wait for the queue's next run",
                    metadata: [
                        "command": "\(command)", "status": "\(result?.status ?? -1)",
                        "output": "\((result?.output ?? "").split(separator: "\n").joined(separator: " | "))",
                    ])
            }
        }
        if isDone { logger.info("queue flushed", metadata: ["server": "\(server)"]) }
    }
}
