internal import NIOCore

/// Gives a channel memory to read into: little for one that is idle, much while much comes.
///
/// SwiftNIO keeps up to `maxMessagesPerRead` receive buffers for each channel for as long as it is open, as large as they
/// have once become: 256 KiB for each session that has fetched a large message. With `maxMessagesPerRead` at 1 it keeps
/// one, and this allocator, which never gives a size in advance, has it keep the first one, which is small. Larger ones are
/// made for each read and freed when their octets are sent.
struct ReceiveBuffers: RecvByteBufferAllocator, Equatable {
    /// Octets: commands, and answers to them.
    static let smallest = 1_024
    /// Octets: a read of a message's body.
    static let largest = 64 * 1_024
    private static let step = 4

    private(set) var size = smallest

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        allocator.buffer(capacity: size)
    }

    /// None: then what `record` says decides whether the kept buffer is used.
    func nextBufferSize() -> Int? { nil }

    /// - Returns: whether the next read needs more than the kept buffer has.
    mutating func record(actualReadBytes octets: Int) -> Bool {
        if octets >= size {
            size = min(size * ReceiveBuffers.step, ReceiveBuffers.largest)
        } else if octets < size / ReceiveBuffers.step {
            size = max(size / ReceiveBuffers.step, ReceiveBuffers.smallest)
        }
        return size > ReceiveBuffers.smallest
    }
}
