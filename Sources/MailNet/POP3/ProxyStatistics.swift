internal import CoveyCore
internal import Synchronization

/// A proxy's figures, counted by all its sessions; outlives reloads.
final class ProxyStatistics: Sendable {
    private let figures = Mutex(ProxyFigures())

    var now: ProxyFigures { figures.withLock { $0 } }

    func count(_ change: (inout ProxyFigures) -> Void) {
        figures.withLock { change(&$0) }
    }
}
