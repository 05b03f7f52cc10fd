internal import Logging
internal import NIOCore
internal import Synchronization

/// The limits on each client address, for all connections of a proxy. What is known outlives a reload.
final class ClientLimits: Sendable {
    /// The share of `max_connections` that one address may have: nobody alone shall be able to take all, and an office or
    /// a carrier's address translation with hundreds of mail programs behind it shall not notice.
    private static let share = 10
    /// But so many in any case, for a proxy with few connections in all.
    private static let fewest = 20

    private let ledger = Mutex(ClientLedger())
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    static func connections(of maxConnections: Int) -> Int { max(maxConnections / share, fewest) }

    /// Counts a connection until it closes; false if there are too many from its client's address.
    func admit(_ channel: any Channel, from origin: ClientOrigin, maxConnections: Int) -> Bool {
        guard let address = origin.counted else { return true }
        let limit = ClientLimits.connections(of: maxConnections)
        switch ledger.withLock({ $0.connect(address, limit: limit) }) {
        case .admitted:
            channel.closeFuture.whenComplete { _ in self.ledger.withLock { $0.disconnect(address) } }
            return true
        case .refused(let isFirst):
            if isFirst {
                logger.warning(
                    "Too many connections from one client address: further ones are refused",
                    metadata: [
                        "client.address": "\(origin.address?.addressForXCLIENT ?? "unknown")", "limit": "\(limit)",
                    ])
            }
            return false
        }
    }

    func login(_ origin: ClientOrigin) -> ClientLedger.Login {
        guard let address = origin.counted else { return .ask }
        return ledger.withLock { $0.login(address, at: .now()) }
    }

    /// A login was refused for its credentials.
    ///
    /// - Parameter credentials: what tells them from others; not kept as it is.
    func loginFailed(_ origin: ClientOrigin, credentials: some Hashable) {
        guard let address = origin.counted else { return }
        // Seeded at random for each process: nobody can compute what stands for which password.
        var hasher = Hasher()
        hasher.combine(credentials)
        let hash = hasher.finalize()
        guard ledger.withLock({ $0.failed(address, credentials: hash, at: .now()) }) else { return }
        logger.warning(
            "Too many failed logins from one client address: its logins are refused for some minutes",
            metadata: ["client.address": "\(origin.address?.addressForXCLIENT ?? "unknown")"])
    }
}
