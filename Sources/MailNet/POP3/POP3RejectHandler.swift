internal import NIOCore

/// Answers a connection that is one too many and closes it.
final class POP3RejectHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let hasWords: Bool

    init(hasWords: Bool) {
        self.hasWords = hasWords
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { refuse(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        refuse(context)
    }

    private func refuse(_ context: ChannelHandlerContext) {
        if hasWords {
            let text = ByteBuffer(string: "-ERR [SYS/TEMP] Too many connections, try again later.\r\n")
            context.writeAndFlush(wrapOutboundOut(text), promise: nil)
        }
        context.close(promise: nil)
    }
}
