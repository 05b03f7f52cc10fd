import Synchronization

/// The hub as the configuration in force has it. A message is delivered by the hub it began with, whatever is reloaded
/// meanwhile.
final class CurrentHub: Sendable {
    private let hub: Mutex<Hub>
    private let deliveries = Mutex(0)

    init(_ hub: Hub) {
        self.hub = Mutex(hub)
    }

    var now: Hub { hub.withLock { $0 } }

    func replace(with hub: Hub) {
        self.hub.withLock { $0 = hub }
    }

    /// Deliveries under way: libmilter may return from its main loop while they are (facts 14).
    var deliveriesInFlight: Int { deliveries.withLock { $0 } }

    func countingDelivery<R>(_ body: () -> R) -> R {
        deliveries.withLock { $0 += 1 }
        defer { deliveries.withLock { $0 -= 1 } }
        return body()
    }
}
