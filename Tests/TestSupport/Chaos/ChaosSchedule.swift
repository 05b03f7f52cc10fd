/// What breaks when: the same seed and the same hosts give the same schedule.
public struct ChaosSchedule: Sendable {
    public enum Fault: Sendable, Equatable {
        /// The host is off, then on again with all its services.
        case powerOff
        /// Its network cable.
        case unplug
        /// Dovecot stands still (SIGSTOP).
        case freeze
        /// The disk with the mailboxes takes nothing more.
        case fullDisk
        /// SIGKILL for covey-milter or covey-pop3d, which starts again in the end.
        case kill
        /// SIGKILL for all processes of Postfix or Dovecot, which starts again in the end.
        case killServer
        /// Missing copies stay in the hub's queue.
        case holdQueue
    }

    public struct Item: Sendable, Equatable {
        /// Seconds since the beginning.
        public var begin: Double
        public var end: Double
        public var host: String
        public var fault: Fault
    }

    public let items: [Item]

    /// After a mailbox server is back, and before the next one breaks: until then only one journal may know of a
    /// deletion, and two failures in a row would be one of all servers that know it. The journals are made equal within
    /// ten seconds.
    public static let settling = 15.0

    /// - Parameters:
    ///   - seconds: how long faults may begin and end.
    ///   - breaksAll: all mailbox servers may be broken at once.
    public init(seed: UInt64, seconds: Double, hubs: [String], mailboxes: [String], breaksAll: Bool = false) {
        var generator = ChaosGenerator(seed: seed)
        var items: [Item] = []
        func lane(_ hosts: [String], _ faults: [Fault], gap: ClosedRange<Double>) {
            var time = Double.random(in: 2...6, using: &generator)
            while true {
                let length = Double.random(in: 4...12, using: &generator)
                let host = hosts.randomElement(using: &generator) ?? ""
                let fault = faults.randomElement(using: &generator) ?? .powerOff
                guard time + length <= seconds else { return }
                items.append(Item(begin: time, end: time + length, host: host, fault: fault))
                time += length + Double.random(in: gap, using: &generator)
            }
        }
        let boxes: [Fault] = [.powerOff, .unplug, .freeze, .fullDisk, .killServer]
        if breaksAll {
            for host in mailboxes { lane([host], boxes, gap: 5...20) }
        } else {
            lane(mailboxes, boxes, gap: ChaosSchedule.settling...(ChaosSchedule.settling + 5))
        }
        lane(hubs, [.powerOff, .unplug, .kill, .killServer, .holdQueue], gap: 1...5)
        // A proxy's process may die at any time: it keeps nothing.
        lane(mailboxes, [.kill], gap: 5...15)
        self.items = items.sorted { $0.begin < $1.begin }
    }
}

/// SplitMix64: small, and the same everywhere.
public struct ChaosGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
