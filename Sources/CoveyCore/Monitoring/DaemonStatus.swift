/// What one daemon tells of itself: on its status page, in `/status.json`, and to `covey status`.
///
/// Names of servers and hosts, numbers and reasons; never a user, an address of a client or anything of a message.
public struct DaemonStatus: Sendable, Equatable {
    public enum Daemon: String, CaseIterable, Sendable {
        case milter = "covey-milter"
        case pop3d = "covey-pop3d"
    }

    public enum State: String, Comparable, Sendable {
        /// Everything is as it should be.
        case ok
        /// It works, but something that it is meant to survive has happened.
        case degraded
        /// It can do its work for nobody.
        case down

        private var badness: Int {
            switch self {
            case .ok: 0
            case .degraded: 1
            case .down: 2
            }
        }

        public static func < (left: State, right: State) -> Bool { left.badness < right.badness }
    }

    /// Something that an operator should know.
    public struct Problem: Sendable, Equatable {
        /// What it makes of the daemon: degraded or down.
        public var state: State
        public var text: String

        public init(_ state: State, _ text: String) {
            self.state = state
            self.text = text
        }
    }

    /// A number with a name.
    public struct Figure: Sendable, Equatable {
        public enum Unit: Sendable {
            case count, octets
            /// 1 or 0.
            case flag
            /// Seconds since 1970.
            case moment
        }

        /// In `/status.json`.
        public var key: String
        /// On the page.
        public var title: String
        public var value: Int
        public var unit: Unit

        public init(_ key: String, _ title: String, _ value: Int, _ unit: Unit = .count) {
            self.key = key
            self.title = title
            self.value = value
            self.unit = unit
        }
    }

    /// A mailbox server, as this daemon sees it.
    public struct Server: Sendable, Equatable {
        public var name: String
        public var isUp: Bool
        /// Why it is not up.
        public var reason: String?
        public var figures: [Figure]
        /// Of its answers.
        public var latency: LatencyHistogram?

        public init(
            name: String, isUp: Bool, reason: String? = nil, figures: [Figure] = [], latency: LatencyHistogram? = nil
        ) {
            self.name = name
            self.isUp = isUp
            self.reason = reason
            self.figures = figures
            self.latency = latency
        }

        public func figure(_ key: String) -> Int? { figures.first { $0.key == key }?.value }
    }

    /// A message that another server went on with.
    public struct Failover: Sendable, Equatable {
        /// Seconds since 1970.
        public var time: Int
        public var from: String
        public var to: String

        public init(time: Int, from: String, to: String) {
            self.time = time
            self.from = from
            self.to = to
        }
    }

    public var daemon: Daemon
    /// The host's name in the configuration.
    public var host: String
    /// When this was written, and when the daemon was started: seconds since 1970.
    public var now: Int
    public var started: Int
    /// The worst first.
    public var problems: [Problem]
    /// In configuration order.
    public var servers: [Server]
    public var figures: [Figure]
    /// Of logins.
    public var latency: LatencyHistogram?
    /// The newest first; nil where there is no such thing.
    public var failovers: [Failover]?

    public init(
        daemon: Daemon, host: String, now: Int, started: Int, problems: [Problem], servers: [Server],
        figures: [Figure], latency: LatencyHistogram? = nil, failovers: [Failover]? = nil
    ) {
        self.daemon = daemon
        self.host = host
        self.now = now
        self.started = started
        // Stable: the order of equals tells something too.
        self.problems = problems.filter { $0.state == .down } + problems.filter { $0.state != .down }
        self.servers = servers
        self.figures = figures
        self.latency = latency
        self.failovers = failovers
    }

    public var state: State { problems.map(\.state).max() ?? .ok }

    public func figure(_ key: String) -> Int? { figures.first { $0.key == key }?.value }
}
