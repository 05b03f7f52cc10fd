import Synchronization

/// Addresses of 127.0.0.0/8 that nobody else in this process uses.
///
/// All tests run in one process, at once. On a shared address the system gives a port that one test has just closed to
/// the next listener of another, and "nobody listens there any more" becomes untrue.
public enum LoopbackAddress {
    private static let last = Atomic<UInt32>(0)

    /// An address not given before, from 127.64.0.1 up.
    public static func next() -> String {
        let number = last.add(1, ordering: .relaxed).newValue
        return "127.\(64 + number >> 16 & 63).\(number >> 8 & 255).\(number & 255)"
    }
}
