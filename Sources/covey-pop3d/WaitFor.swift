import Dispatch
import Synchronization

/// Runs asynchronous work to its end and gives its result; the calling thread waits.
///
/// For the main thread of a daemon, which has nothing else to do.
@discardableResult
func waitFor<Success: Sendable>(_ work: @escaping @Sendable () async throws -> Success) throws -> Success {
    let outcome = Outcome<Success>()
    let done = DispatchSemaphore(value: 0)
    Task {
        do {
            let success = try await work()
            outcome.result.withLock { $0 = .success(success) }
        } catch {
            outcome.result.withLock { $0 = .failure(error) }
        }
        done.signal()
    }
    done.wait()
    guard let result = outcome.result.withLock({ $0 }) else { preconditionFailure("signalled without a result") }
    return try result.get()
}

private final class Outcome<Success: Sendable>: Sendable {
    let result = Mutex<Result<Success, any Error>?>(nil)
}
