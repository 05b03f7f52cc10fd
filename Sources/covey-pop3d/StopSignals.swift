import Dispatch
import Glibc

/// SIGTERM, SIGINT and SIGHUP: the first asks to stop, a second ends the process at once.
final class StopSignals {
    private let sources: [any DispatchSourceSignal]
    private let received = DispatchSemaphore(value: 0)

    init() {
        let received = self.received
        sources = [SIGTERM, SIGINT, SIGHUP].map { number in
            // Dispatch sees a signal only when its own action is off.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { received.signal() }
            source.resume()
            return source
        }
    }

    /// Returns at the first signal; a further one then ends the process.
    func wait() {
        received.wait()
        for source in sources {
            source.setEventHandler { exit(1) }
        }
    }
}
