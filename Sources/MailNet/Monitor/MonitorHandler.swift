internal import CoveyCore
internal import Glibc
internal import NIOCore
internal import NIOHTTP1

/// Answers one request of one connection and closes it.
final class MonitorHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case waiting
        /// The answer is being made or sent.
        case answering
        /// It was sent; what still comes is thrown away until the client closes.
        case lingering
    }

    private let limits: MonitorServer.Limits
    private let content: @Sendable () async -> MonitorContent
    private var state = State.waiting
    private var deadline: Scheduled<Void>?

    init(limits: MonitorServer.Limits, content: @escaping @Sendable () async -> MonitorContent) {
        self.limits = limits
        self.content = content
    }

    func channelActive(context: ChannelHandlerContext) {
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: limits.request) {
            // RFC 9110 §15.5.9.
            self.send(MonitorResponse(refusing: .requestTimeout), to: context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .waiting = state, case .head(let head) = unwrapInboundIn(data) else { return }
        switch MonitorResponse.page(for: head) {
        case .failure(let refusal):
            send(MonitorResponse(refusing: refusal.status), to: context, isHead: head.method == .HEAD)
        case .success(let page):
            state = .answering
            bound(context)
            let content = self.content
            context.eventLoop.makeFutureWithTask { await content() }.assumeIsolated().whenSuccess {
                self.state = .waiting
                self.send(MonitorResponse(page, $0), to: context, isHead: head.method == .HEAD)
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case is MonitorRequestLimit.TooLong, HTTPParserError.headerOverflow:
            send(MonitorResponse(refusing: .requestHeaderFieldsTooLarge), to: context)
        case is HTTPParserError: send(MonitorResponse(refusing: .badRequest), to: context)
        default: context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A client that has said all it wants to say still gets its answer.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            if case .answering = state { return }
            context.close(promise: nil)
        }
    }

    private func send(_ response: MonitorResponse, to context: ChannelHandlerContext, isHead: Bool = false) {
        guard case .waiting = state, context.channel.isActive else { return }
        state = .answering
        bound(context)
        context.write(wrapOutboundOut(.head(response.head(time: time(nil)))), promise: nil)
        // RFC 9110 §9.3.2: HEAD has the fields of GET and no content.
        if !isHead {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: response.body)))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in
            self.linger(context)
        }
    }

    /// The rest must be done within this time, whoever keeps it waiting.
    private func bound(_ context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: limits.response) {
            context.close(promise: nil)
        }
    }

    /// Closing with unread octets of the client would reset the connection, and the answer with it (RFC 9112 §9.6).
    private func linger(_ context: ChannelHandlerContext) {
        state = .lingering
        deadline?.cancel()
        context.close(mode: .output, promise: nil)
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: limits.linger) {
            context.close(promise: nil)
        }
    }
}

/// Stops a request that is longer than any that is meant for us.
final class MonitorRequestLimit: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    struct TooLong: Error {}

    private let limit: Int
    private var octets = 0

    init(limit: Int) {
        self.limit = limit
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        octets += unwrapInboundIn(data).readableBytes
        guard octets <= limit else { return context.fireErrorCaught(TooLong()) }
        context.fireChannelRead(data)
    }
}
