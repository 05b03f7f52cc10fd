import Foundation
import Synchronization
import TestSupport

/// Runs work that blocks, all pieces at once, each on a thread of its own, and waits for all.
///
/// - Throws: the error of the first piece that failed.
@discardableResult
func parallel<Result: Sendable>(_ count: Int, _ work: @escaping @Sendable (Int) throws -> Result) throws -> [Result] {
    let pieces = (0..<count).map { number in Background { try work(number) } }
    return try pieces.map { try $0.wait() }
}

/// Work on a thread of its own.
final class Background<Result: Sendable>: Sendable {
    private let outcome = Mutex<Swift.Result<Result, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    init(_ work: @escaping @Sendable () throws -> Result) {
        let thread = Thread { [self] in
            let result = Swift.Result { try work() }
            outcome.withLock { $0 = result }
            done.signal()
        }
        thread.start()
    }

    /// To be called once.
    func wait(seconds: Double = 180) throws -> Result {
        guard done.wait(timeout: .now() + seconds) == .success, let result = outcome.withLock({ $0 }) else {
            throw LabFailure("not done after \(seconds) s")
        }
        return try result.get()
    }
}
