import CoveyCore
import Logging
import MailNet
import Replication

/// What all SMTP connections of this daemon share under one configuration; a reload makes another (see `CurrentHub`).
final class Hub: Sendable {
    let configuration: ClusterConfiguration
    let rules: RecipientRules
    let delivery: HubDelivery
    let recipientCheck: RecipientCheck
    let spoolBudget: SpoolBudget
    let leftToMTA: LeftToMTA
    let discardPolicy: DiscardPolicy
    let statistics: HubStatistics
    let queueWatch: QueueWatch
    let logger: Logger
    /// The host's full name, for the trace.
    let hostName: String
    let spoolDirectory: String
    /// The mailbox servers, in configuration order.
    let servers: [HubServer]
    private let executors: [EventLoopExecutor]

    init(
        configuration: ClusterConfiguration, servers: [HubServer], hostName: String, spoolDirectory: String,
        spoolBudget: SpoolBudget, discardPolicy: DiscardPolicy, statistics: HubStatistics, queueWatch: QueueWatch,
        executors: [EventLoopExecutor], logger: Logger
    ) {
        self.executors = executors
        self.servers = servers
        self.spoolBudget = spoolBudget
        self.configuration = configuration
        self.hostName = hostName
        self.spoolDirectory = spoolDirectory
        self.logger = logger
        self.discardPolicy = discardPolicy
        self.statistics = statistics
        self.queueWatch = queueWatch
        rules = RecipientRules(configuration)
        let fanOut = FanOut(servers.map(\.destination))
        delivery = HubDelivery(fanOut: fanOut, minimum: configuration.milter.minCopies)
        recipientCheck = RecipientCheck(fanOut: fanOut)
        leftToMTA = LeftToMTA(tables: configuration.milter.leaveToMTA, logger: logger)
    }

    /// Where the next message is delivered: its connections are all on one event loop.
    var executor: EventLoopExecutor { executors[Int.random(in: executors.indices)] }
}
