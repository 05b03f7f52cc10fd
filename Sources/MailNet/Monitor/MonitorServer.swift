public import CoveyCore
internal import Glibc
public import Logging
internal import NIOHTTP1
public import NIOCore
internal import NIOPosix
internal import Synchronization

/// Serves a daemon's metrics, health and status page by HTTP, to be read and to nothing else: GET and HEAD, one request for
/// each connection, no names and no passwords.
public final class MonitorServer: Sendable {
    /// What keeps a client from costing the daemon more than it is worth.
    struct Limits: Sendable {
        /// Connections at once; a scraper takes one.
        var connections = 64
        /// Octets of a request.
        var octets = 16 * 1_024
        /// From the connection to the end of the request.
        var request = TimeAmount.seconds(10)
        /// For taking the answer.
        var response = TimeAmount.seconds(20)
        /// For the client to close after its answer.
        var linger = TimeAmount.seconds(2)
    }

    private let limits: Limits
    private let group: any EventLoopGroup
    private let content: @Sendable () async -> MonitorContent
    private let open = Mutex(0)
    private let listener = Mutex<(any Channel)?>(nil)

    /// - Parameter content: asked at each request.
    public convenience init(group: any EventLoopGroup, content: @escaping @Sendable () async -> MonitorContent) {
        self.init(limits: Limits(), group: group, content: content)
    }

    init(limits: Limits, group: any EventLoopGroup, content: @escaping @Sendable () async -> MonitorContent) {
        self.limits = limits
        self.group = group
        self.content = content
    }

    /// Starts to listen; returns the address bound. Throws what the system says.
    @discardableResult
    public func bind(_ endpoint: Endpoint) async throws -> SocketAddress? {
        let channel: any Channel
        do {
            channel = try await bootstrap(isWildcard: endpoint.host == "::")
                .bind(host: endpoint.host, port: endpoint.port).get()
        } catch let error as IOError
            where endpoint.host == "::" && (error.errnoCode == EAFNOSUPPORT || error.errnoCode == EADDRNOTAVAIL)
        {
            channel = try await bootstrap(isWildcard: false).bind(host: "0.0.0.0", port: endpoint.port).get()
        }
        listener.withLock { $0 = channel }
        return channel.localAddress
    }

    /// Listens, or says why not: mail goes on without being watched.
    public func start(at endpoint: Endpoint, logger: Logger) async {
        do {
            let address = try await bind(endpoint)
            logger.info("Listening for monitoring", metadata: ["listen.address": "\(address.map { "\($0)" } ?? "-")"])
        } catch {
            logger.error(
                "Monitoring is off: its address cannot be listened on",
                metadata: ["listen.address": "\(endpoint)", "reason": "\(plainText(error))"])
        }
    }

    /// Connections now.
    var connections: Int { open.withLock { $0 } }

    /// Stops to listen; answers under way go out.
    public func stop() async {
        let channel = listener.withLock { listener in
            defer { listener = nil }
            return listener
        }
        try? await channel?.close()
    }

    private func bootstrap(isWildcard: Bool) -> ServerBootstrap {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // A client that takes nothing shall not fill the kernel's memory either.
            .childChannelOption(.socketOption(.so_sndbuf), value: 64 * 1_024)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
            }
        let onlyIPv6 = ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only)
        return isWildcard ? bootstrap.serverChannelOption(onlyIPv6, value: 0) : bootstrap
    }

    private struct TooMany: Error {}

    /// - Throws: where there are too many connections; the bootstrap closes this one.
    private func prepare(_ channel: any Channel) throws {
        let isAdmitted = open.withLock { open in
            guard open < limits.connections else { return false }
            open += 1
            return true
        }
        guard isAdmitted else { throw TooMany() }
        channel.closeFuture.whenComplete { _ in self.open.withLock { $0 -= 1 } }
        try channel.pipeline.syncOperations.addHandlers([
            MonitorRequestLimit(limit: limits.octets), HTTPResponseEncoder(),
            ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)),
            MonitorHandler(limits: limits, content: content),
        ])
    }
}
