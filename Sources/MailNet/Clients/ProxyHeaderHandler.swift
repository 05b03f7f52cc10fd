internal import Logging
internal import MailWire
internal import NIOCore

/// First in the pipeline of a connection from a load balancer: takes the PROXY header off, has the rest of the pipeline
/// made, and goes.
///
/// The specification (§2) forbids to guess whether there is a header: without one the connection ends.
final class ProxyHeaderHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let patience: TimeAmount
    private let logger: Logger
    /// What comes after this handler, for a connection with that header.
    private let handlers: (ProxyHeader) throws -> [any ChannelHandler]
    private var inbound = ByteBuffer()
    private var deadline: Scheduled<Void>?
    private var isOver = false

    init(
        patience: TimeAmount, logger: Logger, handlers: @escaping (ProxyHeader) throws -> [any ChannelHandler]
    ) {
        self.patience = patience
        self.logger = logger
        self.handlers = handlers
    }

    func channelActive(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: patience) {
            self.refuse(bound.value, "it has sent no PROXY header in time")
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        over()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        over()
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        var received = unwrapInboundIn(data)
        inbound.writeBuffer(&received)
        do throws(ProxyHeaderError) {
            guard let header = try ProxyHeader.take(from: &inbound) else { return }
            proceed(context, header)
        } catch {
            refuse(context, error.description)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {}

    private func proceed(_ context: ChannelHandlerContext, _ header: ProxyHeader) {
        over()
        do {
            // One after the other in their order: they begin when they are added, and TLS must be there before a greeting.
            // (`addHandlers` begins with the last.)
            var last: any ChannelHandler = self
            for handler in try handlers(header) {
                try context.pipeline.syncOperations.addHandler(handler, position: .after(last))
                last = handler
            }
        } catch {
            return context.close(promise: nil)
        }
        if inbound.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(inbound))
            context.fireChannelReadComplete()
        }
        inbound = ByteBuffer()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func refuse(_ context: ChannelHandlerContext, _ reason: String) {
        guard !isOver else { return }
        over()
        inbound = ByteBuffer()
        logger.warning(
            "Connection from an address in pop3.proxy_protocol_from ended",
            metadata: [
                "peer.address": "\(context.remoteAddress?.addressForXCLIENT ?? "unknown")", "reason": "\(reason)",
            ])
        context.close(promise: nil)
    }

    private func over() {
        isOver = true
        deadline?.cancel()
        deadline = nil
    }
}
