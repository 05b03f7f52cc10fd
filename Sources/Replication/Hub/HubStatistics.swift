public import CoveyCore
import Synchronization

/// A hub's figures, counted by all its SMTP connections; outlives reloads.
public final class HubStatistics: Sendable {
    private let figures = Mutex(HubFigures())

    public init() {}

    public var now: HubFigures { figures.withLock { $0 } }

    /// A message that the MTA was answered for.
    ///
    /// - Parameters:
    ///   - octets: of its body.
    ///   - report: of its delivery; nil where it was not delivered from here.
    ///   - missing: names of the servers that the MTA's queue owes a copy, one for each copy.
    public func count(
        _ verdict: HubFigures.Verdict, at door: HubDelivery.Door, octets: Int, _ report: HubDelivery.Report? = nil,
        missing: [String] = []
    ) {
        figures.withLock { figures in
            figures.count(verdict, at: door == .front ? .front : .back, octets: octets)
            for answer in report?.answers ?? [] {
                figures.count(server: answer.server, answer.outcomes.lazy.map(CopyVerdict.init), time: answer.time)
            }
            for server in missing { figures.countMissing(server: server) }
        }
    }
}
