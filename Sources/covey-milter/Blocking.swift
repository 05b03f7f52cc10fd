import Dispatch
import Synchronization

/// Runs asynchronous work from one of libmilter's threads and waits for it there (facts 13: that is legal, libmilter
/// adds a worker for a blocked one).
///
/// - Parameters:
///   - executor: where the work runs.
///   - seconds: how often `report` is called while waiting, so that the MTA keeps its patience.
func waitFor<Value: Sendable>(
    on executor: some TaskExecutor, reportingEvery seconds: Int, _ report: () -> Void,
    _ work: @escaping @Sendable () async -> Value
) -> Value {
    let done = DispatchSemaphore(value: 0)
    let result = ResultBox<Value>()
    Task(executorPreference: executor) {
        let value = await work()
        result.value.withLock { $0 = .some(.init(value: value)) }
        done.signal()
    }
    while true {
        if done.wait(timeout: .now() + .seconds(seconds)) == .success { break }
        report()
    }
    guard let value = result.value.withLock({ $0?.value }) else {
        preconditionFailure("signalled before the result was set")
    }
    return value
}

private final class ResultBox<Value: Sendable>: Sendable {
    struct Slot: Sendable { var value: Value }
    let value = Mutex<Slot?>(nil)
}
