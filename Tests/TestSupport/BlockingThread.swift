import Dispatch

/// Where tests run that block: tests are tasks, and tasks have as few threads as the machine has cores, so a test that
/// blocks one of those makes all others late.
@globalActor public actor BlockingThread {
    public static let shared = BlockingThread()

    private let executor = QueueExecutor()

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
}

private final class QueueExecutor: SerialExecutor {
    private let queue = DispatchQueue(label: "tests that block")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
