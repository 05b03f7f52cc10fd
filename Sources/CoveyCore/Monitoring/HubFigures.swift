/// What covey-milter counts while it works; counters only go up, as long as the process runs.
public struct HubFigures: Sendable, Equatable {
    public enum Door: Int, CaseIterable, Sendable {
        case front, back

        var label: String { self == .front ? "front" : "back" }
    }

    /// What the MTA was told of a message: the words of the log line.
    public enum Verdict: Int, CaseIterable, Sendable {
        case delivered, passedOn, stamped, tempfailed, rejected

        var label: String {
            switch self {
            case .delivered: "delivered"
            case .passedOn: "passed_on"
            case .stamped: "stamped"
            case .tempfailed: "tempfailed"
            case .rejected: "rejected"
            }
        }
    }

    /// What became of the copy for one recipient on one server.
    enum CopyResult: Int, CaseIterable {
        case stored, unknownUser, refused, deferred, noAnswer, fateUnknown

        init(_ verdict: CopyVerdict) {
            switch verdict {
            case .stored: self = .stored
            case .unknownUser: self = .unknownUser
            case .refusedForGood: self = .refused
            case .refusedForNow: self = .deferred
            case .noAnswer: self = .noAnswer
            case .fateUnknown: self = .fateUnknown
            }
        }

        var label: String {
            switch self {
            case .stored: "stored"
            case .unknownUser: "unknown_user"
            case .refused: "refused"
            case .deferred: "deferred"
            case .noAnswer: "no_answer"
            case .fateUnknown: "fate_unknown"
            }
        }
    }

    /// One mailbox server's.
    public struct Server: Sendable, Equatable {
        public let name: String
        var copies = [Int](repeating: 0, count: CopyResult.allCases.count)
        /// Copies left to the MTA's queue.
        public internal(set) var missing = 0
        /// Of deliveries that the server answered.
        public internal(set) var latency = LatencyHistogram()

        public var stored: Int { copies[CopyResult.stored.rawValue] }
    }

    private var messages = [Int](repeating: 0, count: Door.allCases.count * Verdict.allCases.count)
    /// Octets of the bodies of all these messages.
    public private(set) var octets = 0
    /// In the order in which they were first heard of; those that a reload took away stay.
    public private(set) var servers: [Server] = []

    public init() {}

    /// A message that was answered for.
    public mutating func count(_ verdict: Verdict, at door: Door, octets: Int) {
        messages[door.rawValue * Verdict.allCases.count + verdict.rawValue] += 1
        self.octets += octets
    }

    /// What one server did with one message.
    ///
    /// - Parameters:
    ///   - verdicts: of the recipients.
    ///   - time: until it had answered for all.
    public mutating func count(server name: String, _ verdicts: some Sequence<CopyVerdict>, time: Duration) {
        let place = place(of: name)
        var isAnswer = false
        for verdict in verdicts {
            servers[place].copies[CopyResult(verdict).rawValue] += 1
            isAnswer = isAnswer || verdict.isAnswer
        }
        if isAnswer { servers[place].latency.observe(time) }
    }

    /// A copy for this server was left to the MTA's queue.
    public mutating func countMissing(server name: String) {
        servers[place(of: name)].missing += 1
    }

    public func messages(_ verdict: Verdict, at door: Door) -> Int {
        messages[door.rawValue * Verdict.allCases.count + verdict.rawValue]
    }

    public func messages(_ verdict: Verdict) -> Int {
        Door.allCases.reduce(0) { $0 + messages(verdict, at: $1) }
    }

    public func server(_ name: String) -> Server {
        servers.first { $0.name == name } ?? Server(name: name)
    }

    private mutating func place(of name: String) -> Int {
        if let place = servers.firstIndex(where: { $0.name == name }) { return place }
        servers.append(Server(name: name))
        return servers.count - 1
    }
}
