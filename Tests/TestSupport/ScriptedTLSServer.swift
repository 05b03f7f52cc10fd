public import CoveyCore
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

/// A server on loopback that answers line by line, in clear or encrypted, and keeps what it heard and how.
public final class ScriptedTLSServer: Sendable {
    public enum Answer: Sendable {
        case say(String)
        /// Says this and begins TLS.
        case sayAndEncrypt(String)
        case close
        case nothing
    }

    /// - Parameters: the line, and whether it came encrypted.
    public typealias Script = @Sendable (_ line: String, _ isEncrypted: Bool) -> Answer

    private let listener: any Channel
    private let heard: Heard

    private final class Heard: Sendable {
        let lines = Mutex<[String]>([])
    }

    /// - Parameters:
    ///   - certificate: in PEM format, of `certificates`.
    ///   - isImplicit: whether TLS begins with the connection.
    public static func start(
        host: String, certificate: String, of certificates: TestCertificates, isImplicit: Bool, greeting: String,
        _ script: @escaping Script
    ) async throws -> ScriptedTLSServer {
        let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
        let key = try NIOSSLPrivateKey(file: certificates.privateKey, format: .pem)
        let context = try NIOSSLContext(
            configuration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
        let heard = Heard()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if isImplicit {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        LineHandler(
                            context: context, isEncrypted: isImplicit, greeting: greeting, script: script,
                            hear: { line in heard.lines.withLock { $0.append(line) } }))
                }
            }
            .bind(host: host, port: 0).get()
        return ScriptedTLSServer(listener: listener, heard: heard)
    }

    private init(listener: any Channel, heard: Heard) {
        self.listener = listener
        self.heard = heard
    }

    public var endpoint: Endpoint {
        Endpoint(host: listener.localAddress?.ipAddress ?? "", port: listener.localAddress?.port ?? 0)
    }

    /// Lines, each with `clear ` or `tls ` before it.
    public var lines: [String] { heard.lines.withLock { $0 } }

    public func stop() async { try? await listener.close() }

    private final class LineHandler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let tls: NIOSSLContext
        private var isEncrypted: Bool
        private let greeting: String
        private let script: Script
        private let hear: (String) -> Void
        private var buffer = ByteBuffer()

        init(
            context: NIOSSLContext, isEncrypted: Bool, greeting: String, script: @escaping Script,
            hear: @escaping (String) -> Void
        ) {
            tls = context
            self.isEncrypted = isEncrypted
            self.greeting = greeting
            self.script = script
            self.hear = hear
        }

        func channelActive(context: ChannelHandlerContext) { say(greeting, context) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var octets = unwrapInboundIn(data)
            buffer.writeBuffer(&octets)
            while let end = buffer.readableBytesView.firstIndex(of: 10) {
                var octets = buffer.readBytes(length: end - buffer.readerIndex + 1) ?? []
                while let last = octets.last, last == 13 || last == 10 { octets.removeLast() }
                let line = String(decoding: octets, as: UTF8.self)
                hear((isEncrypted ? "tls " : "clear ") + line)
                switch script(line, isEncrypted) {
                case .say(let text): say(text, context)
                case .sayAndEncrypt(let text):
                    say(text, context)
                    isEncrypted = true
                    try? context.pipeline.syncOperations.addHandler(
                        NIOSSLServerHandler(context: tls), position: .before(self))
                case .close: context.close(promise: nil)
                case .nothing: break
                }
            }
        }

        private func say(_ text: String, _ context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text + "\r\n")), promise: nil)
        }
    }
}
