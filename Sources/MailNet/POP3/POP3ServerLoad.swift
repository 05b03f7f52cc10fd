internal import Synchronization

/// How many messages are being read from each mailbox server now, by all sessions of a proxy.
final class POP3ServerLoad: Sendable {
    private let retrievals: Mutex<[Int]>

    init(servers: Int) {
        retrievals = Mutex(Array(repeating: 0, count: servers))
    }

    /// By the server's index in the configuration.
    var now: [Int] { retrievals.withLock { $0 } }

    func began(_ server: Int) { retrievals.withLock { $0[server] += 1 } }
    func ended(_ server: Int) { retrievals.withLock { $0[server] -= 1 } }
}
