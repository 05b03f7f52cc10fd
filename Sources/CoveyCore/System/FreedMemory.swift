import Glibc

/// Gives the system back what a large maildrop or a long journal took for a while: the C library would keep it.
public enum FreedMemory {
    /// Messages or deletions beyond which that is worth its time: 20,000 messages take about 10 MB.
    private static let worthwhile = 20_000

    /// malloc_trim(3), which Swift does not import; nil with another C library.
    private static let trim: (@convention(c) (Int) -> Int32)? = {
        dlsym(nil, "malloc_trim").map { unsafeBitCast($0, to: (@convention(c) (Int) -> Int32).self) }
    }()

    /// In a second, by when the last reference is gone. Takes some milliseconds then, on a thread of its own.
    ///
    /// - Parameter count: how many messages or deletions there were; few are not worth it.
    public static func giveBack(after count: Int) {
        guard count >= worthwhile else { return }
        Task.detached {
            try? await Task.sleep(for: .seconds(1))
            _ = trim?(0)
        }
    }
}
