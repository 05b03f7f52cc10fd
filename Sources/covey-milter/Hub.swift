import CoveyCore
import Logging
import MailNet
import Replication
import Synchronization

/// What all SMTP connections of this daemon share.
final class Hub: Sendable {
    let configuration: ClusterConfiguration
    let rules: RecipientRules
    let delivery: HubDelivery
    let recipientCheck: RecipientCheck
    let spoolBudget: SpoolBudget
    let leftToMTA: LeftToMTA
    let discardPolicy: DiscardPolicy
    let logger: Logger
    /// The host's full name, for the trace.
    let hostName: String
    let spoolDirectory: String
    private let executors: [EventLoopExecutor]
    private let deliveries = Mutex(0)

    init(
        configuration: ClusterConfiguration, fanOut: FanOut, hostName: String, spoolDirectory: String,
        discardPolicy: DiscardPolicy, executors: [EventLoopExecutor], logger: Logger
    ) {
        self.executors = executors
        self.configuration = configuration
        self.hostName = hostName
        self.spoolDirectory = spoolDirectory
        self.logger = logger
        self.discardPolicy = discardPolicy
        rules = RecipientRules(configuration)
        delivery = HubDelivery(fanOut: fanOut, minimum: configuration.milter.minCopies)
        recipientCheck = RecipientCheck(fanOut: fanOut)
        spoolBudget = SpoolBudget(limit: configuration.milter.spoolLimit)
        leftToMTA = LeftToMTA(tables: configuration.milter.leaveToMTA, logger: logger)
    }

    /// Where the next message is delivered: its connections are all on one event loop.
    var executor: EventLoopExecutor { executors[Int.random(in: executors.indices)] }

    /// Deliveries under way: libmilter may return from its main loop while they are (facts 14).
    var deliveriesInFlight: Int { deliveries.withLock { $0 } }

    func countingDelivery<R>(_ body: () -> R) -> R {
        deliveries.withLock { $0 += 1 }
        defer { deliveries.withLock { $0 -= 1 } }
        return body()
    }
}
