import Logging
import Synchronization

/// What was logged, for a test to look at.
final class RecordedLog: Sendable {
    private let all = Mutex<[String]>([])

    /// Level, message and metadata of each line.
    var lines: [String] { all.withLock { $0 } }

    var handler: any LogHandler { Handler(log: self) }

    private struct Handler: LogHandler {
        let log: RecordedLog
        var metadata: Logger.Metadata = [:]
        /// Everything: what may be seen with --verbose may not hold a password either.
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let metadata = (event.metadata ?? [:]).map { "\($0)=\($1)" }.sorted().joined(separator: " ")
            log.all.withLock { $0.append("\(event.level) \(event.message) \(metadata)") }
        }
    }
}
