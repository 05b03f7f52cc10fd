import NIOCore
import Testing

@testable import MailNet

@Suite struct ReceiveBuffersTests {
    @Test func `grows with what comes and shrinks again, and never uses the kept buffer for more than it has`() {
        var buffers = ReceiveBuffers()
        func sizes(_ octets: Int...) -> [Int] {
            octets.map { count in
                let needsMore = buffers.record(actualReadBytes: count)
                #expect(needsMore == (buffers.size > 1_024))
                return buffers.size
            }
        }
        #expect(sizes(6, 1_023, 1_024, 4_096, 16_384, 65_536) == [1_024, 1_024, 4_096, 16_384, 65_536, 65_536])
        // Half full is no reason to change.
        #expect(sizes(20_000, 16_384) == [65_536, 65_536])
        #expect(sizes(100, 100, 100, 100) == [16_384, 4_096, 1_024, 1_024])
        #expect(buffers.buffer(allocator: ByteBufferAllocator()).capacity >= 1_024)
    }

    @Test func `the pool of a channel keeps one small buffer, whatever was read`() {
        var pool = NIOPooledRecvBufferAllocator(capacity: 1, recvAllocator: ReceiveBuffers())
        var held: [ByteBuffer] = []
        func read(_ octets: Int) -> Int {
            let (buffer, room) = pool.buffer(allocator: ByteBufferAllocator()) { buffer in
                let room = buffer.writableBytes
                buffer.writeRepeatingByte(1, count: min(octets, room))
                return room
            }
            held.append(buffer)
            pool.record(actualReadBytes: min(octets, room))
            return room
        }
        let rooms = (0..<20).map { _ in read(1_000_000) }
        #expect(rooms[..<4].map { $0 >= 16_384 } == [false, false, true, true])
        #expect(rooms[4...].allSatisfy { $0 >= 65_536 })
        for _ in 0..<4 { _ = read(10) }
        #expect(read(10) < 4_096)
        #expect(pool.count == 1)
        // What was read before is as it was.
        #expect(held[..<20].allSatisfy { $0.readableBytesView.allSatisfy { $0 == 1 } })
        #expect(held[..<20].map(\.readableBytes) == rooms)
    }
}
