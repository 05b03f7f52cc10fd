internal import Glibc
internal import NIOCore

/// Gives the system back what a large maildrop took: the C library would keep it.
enum FreedMemory {
    /// A maildrop of that size takes about 10 MB.
    private static let largeMaildrop = 20_000
    /// By then the session's last reference is gone.
    private static let delay = TimeAmount.seconds(1)

    /// malloc_trim(3), which Swift does not import; nil with another C library.
    private static let trim: (@convention(c) (Int) -> Int32)? = {
        dlsym(nil, "malloc_trim").map { unsafeBitCast($0, to: (@convention(c) (Int) -> Int32).self) }
    }()

    /// - Parameter messages: how many the maildrop had.
    static func giveBack(after messages: Int, eventLoop: any EventLoop) {
        guard messages >= largeMaildrop else { return }
        eventLoop.scheduleTask(in: delay) {
            // Some milliseconds: not on an event loop.
            Task.detached { _ = trim?(0) }
        }
    }
}
