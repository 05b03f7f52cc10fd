import Glibc
import NIOCore

/// Blocking reads and writes on a connected socket, by line or by number of octets.
struct SocketReader {
    /// The other side closed the connection, or ours was shut down.
    struct Ended: Error {}

    let descriptor: Int32
    private var buffer = ByteBuffer()

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// A line with its end.
    mutating func line() throws -> ByteBuffer {
        var searched = 0
        while true {
            let end = buffer.withUnsafeReadableBytes { octets -> Int? in
                guard octets.count > searched, let base = octets.baseAddress else { return nil }
                return memchr(base + searched, 10, octets.count - searched).map {
                    $0 - UnsafeMutableRawPointer(mutating: base)
                }
            }
            if let end, let line = buffer.readSlice(length: end + 1) { return line }
            searched = buffer.readableBytes
            try fill()
        }
    }

    mutating func octets(_ count: Int) throws -> ByteBuffer {
        while buffer.readableBytes < count { try fill() }
        return buffer.readSlice(length: count) ?? ByteBuffer()
    }

    private mutating func fill() throws {
        let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 256 * 1024) { space in
            max(0, recv(descriptor, space.baseAddress, space.count, 0))
        }
        if count == 0 { throw Ended() }
    }

    func write(_ octets: [UInt8]) throws {
        var rest = octets[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Ended() }
            rest = rest.dropFirst(count)
        }
    }
}
