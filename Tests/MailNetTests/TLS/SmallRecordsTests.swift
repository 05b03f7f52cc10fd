import NIOCore
import NIOEmbedded
import Testing

@testable import MailNet

@Suite struct SmallRecordsTests {
    /// Keeps how many octets each flush had.
    private final class Flushes: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        private var octets = 0
        private(set) var sizes: [Int] = []

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            octets += unwrapOutboundIn(data).readableBytes
            context.write(data, promise: promise)
        }

        func flush(context: ChannelHandlerContext) {
            if octets > 0 { sizes.append(octets) }
            octets = 0
            context.flush()
        }
    }

    @Test(arguments: [[1], [16_000], [16_001], [100_000], [10, 15_990, 1], [10, 16_000], [10, 70_000, 10], [0, 5]])
    func `no flush has more than fits, and every octet comes in its order`(writes: [Int]) throws {
        let flushes = Flushes()
        let channel = EmbeddedChannel(handlers: [flushes, SmallRecords()])
        var sent: [UInt8] = []
        for (index, count) in writes.enumerated() {
            let octets = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index) }
            sent += octets
            channel.write(ByteBuffer(bytes: octets), promise: nil)
        }
        channel.flush()
        var received: [UInt8] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { received += buffer.readableBytesView }
        #expect(received == sent)
        #expect(flushes.sizes.reduce(0, +) == sent.count)
        #expect(flushes.sizes.allSatisfy { $0 <= 16_000 })
        _ = try channel.finish()
    }
}
