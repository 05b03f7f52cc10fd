public import NIOCore

/// Runs the asynchronous part of a message's delivery on the event loop that has its connections.
///
/// On the default executor each step from task to loop and back wakes another thread; for a small message that would be
/// most of what the delivery costs.
public final class EventLoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    public init(_ loop: any EventLoop) {
        self.loop = loop
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
