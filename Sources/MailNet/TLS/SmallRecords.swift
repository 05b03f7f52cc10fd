internal import NIOCore

/// Between TLS and what is encrypted: hands octets on in pieces, each encrypted and sent before the next.
///
/// NIOSSL keeps its buffer for encrypted octets for as long as the connection is open, as large as one flush has ever made it
/// (2.37 has a setting against that, which is not used). This keeps it at 16 KiB.
final class SmallRecords: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Octets that fit in 16 KiB with what TLS adds, 22 octets in version 1.3 (RFC 8446 §5.2), a little more in 1.2.
    static let longest = 16_000

    /// Octets handed on and not flushed.
    private var waiting = 0

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var octets = unwrapOutboundIn(data)
        if waiting > 0, waiting + octets.readableBytes > SmallRecords.longest { flush(context: context) }
        while octets.readableBytes > SmallRecords.longest,
            let piece = octets.readSlice(length: SmallRecords.longest)
        {
            context.writeAndFlush(wrapOutboundOut(piece), promise: nil)
        }
        waiting += octets.readableBytes
        context.write(wrapOutboundOut(octets), promise: promise)
    }

    func flush(context: ChannelHandlerContext) {
        waiting = 0
        context.flush()
    }
}
