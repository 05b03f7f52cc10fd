import CoveyCore
import Glibc
import Logging
import MailNet
import NIOPosix
import Replication

/// Reads the configuration and makes the hub of it, at the start and at each reload.
struct HubMaker: Sendable {
    /// Path of cluster.toml.
    let file: String
    /// `--host`, if given.
    let host: String?
    let discardPolicy: DiscardPolicy
    let statistics = HubStatistics()
    let queueWatch: QueueWatch
    let logger: Logger

    init(file: String, host: String?, logger: Logger) {
        self.file = file
        self.host = host
        self.logger = logger
        discardPolicy = DiscardPolicy(logger: logger)
        queueWatch = QueueWatch(logger: logger, now: { time(nil) })
    }

    /// - Throws: `StartFailure` with all that is wrong, one line each.
    func read() throws(StartFailure) -> ClusterConfiguration {
        let configuration: ClusterConfiguration
        do throws(ConfigurationErrors) {
            configuration = try ConfigurationLoader.load(path: file, needs: [.authorityFiles])
        } catch {
            throw StartFailure(error.description)
        }
        _ = try configuration.ownHub(given: host, file: file)
        return configuration
    }

    /// - Parameter old: the hub before the reload, whose connections to unchanged servers are kept.
    func make(_ configuration: ClusterConfiguration, replacing old: Hub? = nil) throws(StartFailure) -> Hub {
        let hostName = fullHostName(try configuration.ownHub(given: host, file: file).name, configuration)
        let servers = try HubServer.all(
            of: configuration, file: file, heloName: hostName, keeping: old?.servers ?? [], logger: logger)
        let budget = old?.spoolBudget ?? SpoolBudget(limit: configuration.milter.spoolLimit)
        budget.change(limit: configuration.milter.spoolLimit)
        return Hub(
            configuration: configuration, servers: servers, hostName: hostName,
            spoolDirectory: getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp", spoolBudget: budget,
            discardPolicy: discardPolicy, statistics: statistics, queueWatch: queueWatch,
            executors: MultiThreadedEventLoopGroup.singleton.makeIterator().map { EventLoopExecutor($0) },
            logger: logger)
    }

    /// The hub's name with the zone behind it; where the configuration has no zone, the name as it was given.
    private func fullHostName(_ name: String, _ configuration: ClusterConfiguration) -> String {
        configuration.dns.hostName(name) ?? host ?? Machine.name
    }
}
