/// What covey-pop3d counts while it works; counters only go up, as long as the process runs.
public struct ProxyFigures: Sendable, Equatable {
    public enum LoginResult: Int, CaseIterable, Sendable {
        case accepted, refused, unavailable

        var label: String {
            switch self {
            case .accepted: "accepted"
            case .refused: "refused"
            case .unavailable: "unavailable"
            }
        }
    }

    /// Failovers that are remembered one by one.
    public static let mostFailovers = 20

    private var logins = [Int](repeating: 0, count: LoginResult.allCases.count)
    /// From PASS to the answer, of logins that were accepted.
    public private(set) var loginLatency = LatencyHistogram()
    public private(set) var connections = 0
    /// Connections refused for `max_connections`.
    public private(set) var refusedConnections = 0
    /// Sessions with a maildrop open now.
    public private(set) var openSessions = 0
    /// Connections that ended, by the word of the log line.
    public private(set) var ends: [String: Int] = [:]
    public private(set) var retrieved = 0
    /// Messages that no server could bring to their end.
    public private(set) var brokenOff = 0
    /// Octets of messages sent to mail programs.
    public private(set) var octets = 0
    public private(set) var deleted = 0
    /// QUITs after which some deletion was neither carried out nor on record.
    public private(set) var failedUpdates = 0
    /// Logins that went on without a server, by its name.
    public private(set) var leftOut: [String: Int] = [:]
    /// Messages that another server went on with, by the name of the one that failed.
    public private(set) var failoversFrom: [String: Int] = [:]
    /// The newest last.
    public private(set) var recentFailovers: [DaemonStatus.Failover] = []

    public init() {}

    public func logins(_ result: LoginResult) -> Int { logins[result.rawValue] }

    public mutating func countConnection(isAccepted: Bool) {
        if isAccepted { connections += 1 } else { refusedConnections += 1 }
    }

    /// - Parameter leftOut: servers that have no part in the session, or had none in the refusal.
    public mutating func countLogin(_ result: LoginResult, time: Duration, leftOut: [String]) {
        logins[result.rawValue] += 1
        guard result == .accepted else { return }
        loginLatency.observe(time)
        openSessions += 1
        for name in leftOut { self.leftOut[name, default: 0] += 1 }
    }

    /// - Parameter hadMaildrop: whether a login was accepted.
    public mutating func countEnd(_ word: String, hadMaildrop: Bool) {
        ends[word, default: 0] += 1
        if hadMaildrop { openSessions -= 1 }
    }

    public mutating func countSent(octets: Int) {
        self.octets += octets
    }

    /// A RETR or TOP that had begun to be answered is over.
    public mutating func countRetrieval(isComplete: Bool) {
        if isComplete { retrieved += 1 } else { brokenOff += 1 }
    }

    public mutating func countUpdate(deleted: Int, isComplete: Bool) {
        if isComplete { self.deleted += deleted } else { failedUpdates += 1 }
    }

    /// - Parameter time: seconds since 1970.
    public mutating func countFailover(from: String, to: String, time: Int) {
        failoversFrom[from, default: 0] += 1
        if recentFailovers.count == ProxyFigures.mostFailovers { recentFailovers.removeFirst() }
        recentFailovers.append(.init(time: time, from: from, to: to))
    }
}
