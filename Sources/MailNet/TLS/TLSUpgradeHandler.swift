internal import MailWire
internal import NIOCore
internal import NIOSSL
internal import NIOTLS

/// Why a connection could not be encrypted.
struct TLSUpgradeFailure: Error, CustomStringConvertible {
    var description: String
}

/// First in the pipeline of a connection whose TLS begins after a command. It does what `TLSUpgrade` says, starts TLS,
/// hands the greeting on once the handshake is done, and goes.
///
/// What is written before that waits, so that nothing goes out in clear.
final class TLSUpgradeHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Longest line before TLS, octets: RFC 5321 §4.5.3.1.5 and RFC 1939 §3 have 512.
    private static let longestLine = 2048

    private var upgrade: TLSUpgrade
    private let tls: NIOSSLClientHandler
    private var inbound = ByteBuffer()
    private var waiting: [(data: NIOAny, promise: EventLoopPromise<Void>?)] = []
    private var isFlushDue = false
    /// Set when the server has agreed: the handshake begins once everything that had come by then was looked at.
    private var isAgreed = false
    private var isHandshaking = false

    init(_ dialect: TLSUpgrade.Dialect, tls: NIOSSLClientHandler) {
        upgrade = TLSUpgrade(dialect)
        self.tls = tls
    }

    // MARK: before TLS

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isHandshaking else { return context.fireChannelRead(data) }
        var received = unwrapInboundIn(data)
        inbound.writeBuffer(&received)
        while let line = nextLine() {
            guard !isAgreed else { return failInjected(context) }
            switch upgrade.received(line) {
            case .wait: break
            case .send(let text):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
            case .startTLS: isAgreed = true
            case .fail(let reason): return fail(context, reason)
            }
        }
        if inbound.readableBytes > TLSUpgradeHandler.longestLine { fail(context, "sent a line without end before TLS") }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard isAgreed, !isHandshaking else { return context.fireChannelReadComplete() }
        // What came in clear after the agreement would pass for the first thing said under TLS, whoever put it there
        // (CVE-2011-0411).
        guard inbound.readableBytes == 0 else { return failInjected(context) }
        isHandshaking = true
        do {
            try context.pipeline.syncOperations.addHandler(tls, position: .before(self))
        } catch {
            fail(context, "\(error)")
        }
    }

    private func nextLine() -> String? {
        let octets = inbound.readableBytesView
        guard let end = octets.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        var line = octets[..<end]
        inbound.moveReaderIndex(forwardBy: line.count + 1)
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return String(decoding: line.prefix(TLSUpgradeHandler.longestLine), as: UTF8.self)
    }

    private func failInjected(_ context: ChannelHandlerContext) {
        fail(context, "sent more in clear after it had agreed to TLS")
    }

    private func fail(_ context: ChannelHandlerContext, _ reason: String) {
        inbound = ByteBuffer()
        context.fireErrorCaught(TLSUpgradeFailure(description: "no TLS: the server \(reason)"))
        context.close(promise: nil)
    }

    // MARK: after the handshake

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        guard isHandshaking, case .handshakeCompleted? = event as? TLSUserEvent else { return }
        let greeting = upgrade.greeting.map { $0 + "\r\n" }.joined()
        context.fireChannelRead(wrapInboundOut(ByteBuffer(string: greeting)))
        context.fireChannelReadComplete()
        for (data, promise) in waiting { context.write(data, promise: promise) }
        waiting = []
        if isFlushDue { context.flush() }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    // MARK: what waits

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        waiting.append((data, promise))
    }

    func flush(context: ChannelHandlerContext) {
        isFlushDue = true
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        for (_, promise) in waiting { promise?.fail(ChannelError.ioOnClosedChannel) }
        waiting = []
    }
}
