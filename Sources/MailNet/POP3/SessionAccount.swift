internal import CoveyCore
internal import Glibc
internal import MailWire
internal import NIOCore

/// One session's part in the proxy's figures.
struct SessionAccount {
    private let statistics: ProxyStatistics
    /// Names, in configuration order.
    private let servers: [POP3ProxySettings.Server]
    private var hadMaildrop = false
    /// Of the summary's octets, those that are in the figures.
    private var octets = 0

    init(_ shared: POP3Shared) {
        statistics = shared.statistics
        servers = shared.settings.servers
    }

    /// - Parameter leftOut: names of servers that have no part in the session.
    mutating func loginEnded(_ outcome: POP3MaildropOpening.Outcome, leftOut: [String], since began: NIODeadline) {
        let time = Duration.nanoseconds((NIODeadline.now() - began).nanoseconds)
        switch outcome {
        case .opened:
            hadMaildrop = true
            statistics.count { $0.countLogin(.accepted, time: time, leftOut: leftOut) }
        case .refused: statistics.count { $0.countLogin(.refused, time: time, leftOut: []) }
        case .unavailable: statistics.count { $0.countLogin(.unavailable, time: time, leftOut: []) }
        }
    }

    mutating func retrievalEnded(_ end: POP3Session.RetrievalEnd, _ summary: POP3SessionSummary) {
        let sent = takeOctets(summary)
        statistics.count { figures in
            figures.countSent(octets: sent)
            switch end {
            case .complete: figures.countRetrieval(isComplete: true)
            case .brokenOff: figures.countRetrieval(isComplete: false)
            case .impossible: break
            }
        }
    }

    /// - Parameters:
    ///   - old: the server whose copy could not be read to its end, as its place in the configuration.
    ///   - new: the one that is tried now.
    func failedOver(from old: Int, to new: Int) {
        statistics.count { $0.countFailover(from: servers[old].name, to: servers[new].name, time: Int(time(nil))) }
    }

    func updated(deleted: Int, isComplete: Bool) {
        statistics.count { $0.countUpdate(deleted: deleted, isComplete: isComplete) }
    }

    mutating func ended(_ summary: POP3SessionSummary) {
        let sent = takeOctets(summary)
        let word = summary.end.rawValue.split(separator: " ").joined(separator: "_")
        statistics.count { figures in
            figures.countSent(octets: sent)
            figures.countEnd(word, hadMaildrop: hadMaildrop)
        }
    }

    /// Octets sent since this was last asked.
    private mutating func takeOctets(_ summary: POP3SessionSummary) -> Int {
        defer { octets = summary.octets }
        return summary.octets - octets
    }
}
