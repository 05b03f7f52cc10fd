import Dispatch
import Glibc

/// SIGUSR1: runs what it was given at each, one after the other, for as long as this object lives.
final class ReloadSignal {
    private let source: any DispatchSourceSignal

    /// Signals that come before an object exists change nothing; without this they would end the process.
    static func prepare() {
        signal(SIGUSR1, SIG_IGN)
    }

    init(_ body: @escaping @Sendable () -> Void) {
        ReloadSignal.prepare()
        source = DispatchSource.makeSignalSource(signal: SIGUSR1, queue: DispatchQueue(label: "reload"))
        source.setEventHandler(handler: body)
        source.resume()
    }
}
