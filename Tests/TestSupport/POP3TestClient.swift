public import NIOCore
internal import NIOPosix
internal import NIOSSL

/// A mail program's side of a POP3 connection, for tests: sends what it is told and hands out what comes.
public final class POP3TestClient {
    public struct Closed: Error {}

    private let channel: any Channel
    private var stream: AsyncStream<ByteBuffer>.AsyncIterator
    private var received = ByteBuffer()

    private init(channel: any Channel, stream: AsyncStream<ByteBuffer>) {
        self.channel = channel
        self.stream = stream.makeAsyncIterator()
    }

    /// - Parameters:
    ///   - source: address to connect from.
    ///   - authority: PEM file with whom to trust, for a connection with TLS from its first octet.
    public static func connect(
        to address: SocketAddress, from source: String? = nil, authority: String? = nil
    ) async throws -> POP3TestClient {
        let context = try authority.map { try POP3TestClient.context($0) }
        let (stream, continuation) = AsyncStream<ByteBuffer>.makeStream()
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: context, serverHostname: nil))
                    }
                    try channel.pipeline.syncOperations.addHandler(Collector(continuation: continuation))
                }
            }
        if let source { bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: source, port: 0)) }
        let channel = try await bootstrap.connect(to: address).get()
        return POP3TestClient(channel: channel, stream: stream)
    }

    private static func context(_ authority: String) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(authority)
        return try NIOSSLContext(configuration: configuration)
    }

    /// Asks for TLS after the greeting, and begins it; returns the answer.
    public func startTLS(authority: String) async throws -> String {
        let answer = try await command("STLS")
        guard answer.hasPrefix("+OK") else { return answer }
        try await encrypt(authority: authority)
        return answer
    }

    /// Begins TLS.
    public func encrypt(authority: String) async throws {
        let context = try POP3TestClient.context(authority)
        try await channel.eventLoop.submit { [channel] in
            try channel.pipeline.syncOperations.addHandler(
                NIOSSLClientHandler(context: context, serverHostname: nil), position: .first)
        }.get()
    }

    /// Sends text as it is.
    public func send(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text))
    }

    public func send(_ octets: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: octets))
    }

    /// Sends a command and returns the first line of its answer.
    public func command(_ line: String) async throws -> String {
        try await send(line + "\r\n")
        return try await self.line()
    }

    /// The next line, without CRLF.
    public func line() async throws -> String {
        while true {
            if let end = received.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                let text = received.readString(length: end - received.readerIndex + 1) ?? ""
                guard text.hasSuffix("\r\n") else { return "(line without CR) " + text }
                return String(text.dropLast())
            }
            guard await more() else { throw Closed() }
        }
    }

    /// The lines up to a dot, dot-stuffing removed, each with its CRLF.
    public func lines() async throws -> [String] {
        var lines: [String] = []
        while true {
            let line = try await self.line()
            if line == "." { return lines }
            lines.append((line.hasPrefix(".") ? String(line.dropFirst()) : line) + "\r\n")
        }
    }

    /// All that still comes until the other side closes.
    public func rest() async -> String {
        while await more() {}
        return received.readString(length: received.readableBytes) ?? ""
    }

    public func logIn(user: String = "u@example.com", password: String = "secret") async throws -> String {
        _ = try await line()
        _ = try await command("USER \(user)")
        return try await command("PASS \(password)")
    }

    public func close() async {
        try? await channel.close()
    }

    private func more() async -> Bool {
        guard var next = await stream.next(isolation: #isolation) else { return false }
        received.writeBuffer(&next)
        return true
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let continuation: AsyncStream<ByteBuffer>.Continuation

        init(continuation: AsyncStream<ByteBuffer>.Continuation) {
            self.continuation = continuation
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            continuation.yield(unwrapInboundIn(data))
        }

        func channelInactive(context: ChannelHandlerContext) {
            continuation.finish()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }
}
