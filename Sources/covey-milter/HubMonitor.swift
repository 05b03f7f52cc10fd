import CoveyCore
import Glibc
import Logging
import MailNet
import NIOPosix
import Replication

/// Shows what this daemon is doing, at `monitor.listen`.
final class HubMonitor: Sendable {
    private let server: MonitorServer
    private let current: CurrentHub
    private let logger: Logger

    init(current: CurrentHub, logger: Logger) {
        let started = time(nil)
        self.current = current
        self.logger = logger
        server = MonitorServer(group: MultiThreadedEventLoopGroup.singleton) {
            HubMonitor.content(current.now, deliveries: current.deliveriesInFlight, started: started)
        }
    }

    /// Blocks until it listens, or cannot.
    func start(at endpoint: Endpoint) {
        let (server, logger) = (server, logger)
        waitFor(on: current.now.executor, reportingEvery: 60, {}) { await server.start(at: endpoint, logger: logger) }
    }

    private static func content(_ hub: Hub, deliveries: Int, started: Int) -> MonitorContent {
        let snapshot = HubSnapshot(
            host: String(hub.hostName.prefix { $0 != "." }), now: time(nil), started: started,
            figures: hub.statistics.now,
            servers: hub.servers.map { server in
                let reason = server.destination.downReason
                return .init(name: server.destination.name, isUp: reason == nil, reason: reason)
            },
            minCopies: hub.configuration.milter.minCopies, queue: hub.queueWatch.gauges, spool: hub.spoolBudget.inUse,
            spoolLimit: hub.configuration.milter.spoolLimit, deliveries: deliveries,
            process: .now(started: started))
        return MonitorContent(status: snapshot.status, metrics: snapshot.metrics)
    }
}
