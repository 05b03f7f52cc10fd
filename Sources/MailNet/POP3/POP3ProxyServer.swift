public import CoveyCore
internal import Glibc
public import Logging
public import NIOCore
internal import NIOPosix
internal import Synchronization

/// An address that cannot be listened on.
public struct POP3ListenError: Error, CustomStringConvertible {
    public let endpoint: Endpoint
    /// The system's words.
    public let reason: String

    public var description: String { "cannot listen on \(endpoint): \(reason)" }
}

/// The POP3 proxy's listeners and sessions.
///
/// `bind` first, then `shutDown`; both once.
public final class POP3ProxyServer: Sendable {
    /// For sessions that begin now.
    private let shared: Mutex<POP3Shared>
    private let group: any EventLoopGroup
    private let registry: POP3ConnectionRegistry
    private let listeners = Mutex<[any Channel]>([])
    private let statistics = ProxyStatistics()
    private let logger: Logger
    /// Looks after the certificate's files while there are listeners.
    private let certificateWatch = Mutex<Task<Void, Never>?>(nil)

    /// - Parameters:
    ///   - deletionLog: where deletions go that a server missed.
    ///   - healer: is told of copies that a server lacks.
    public init(
        settings: POP3ProxySettings, deletionLog: any DeletionLog, healer: any MaildropHealer = NoHealer(),
        group: any EventLoopGroup, logger: Logger
    ) {
        self.shared = Mutex(
            POP3Shared(
                settings: settings, cache: UniqueIDCache(),
                health: POP3ServerHealth(settings: settings, group: group, logger: logger),
                features: POP3ServerFeatures(settings: settings, group: group, logger: logger),
                load: POP3ServerLoad(servers: settings.servers.count), deletionLog: deletionLog,
                healer: healer, limits: ClientLimits(logger: logger), statistics: statistics, logger: logger))
        self.group = group
        self.registry = POP3ConnectionRegistry(limit: settings.maxConnections)
        self.logger = logger
    }

    /// Connections that come from now on use other settings; those that are there end with theirs. Listeners stay.
    ///
    /// What is known of servers is kept while the servers are the same.
    public func reconfigure(
        settings: POP3ProxySettings, deletionLog: any DeletionLog, healer: any MaildropHealer = NoHealer()
    ) {
        let old = shared.withLock { $0 }
        let isSame =
            settings.servers.count == old.settings.servers.count
            && zip(settings.servers, old.settings.servers).allSatisfy { $0.isSame(as: $1) }
        // Probes go by the certificates that they began with, and those may be others now.
        let isInClear = (settings.servers + old.settings.servers).allSatisfy { $0.tls == nil }
        let keepsHealth = isSame && isInClear && settings.times == old.settings.times
        let new = POP3Shared(
            settings: settings, cache: isSame && settings.key == old.settings.key ? old.cache : UniqueIDCache(),
            health: keepsHealth ? old.health : POP3ServerHealth(settings: settings, group: group, logger: logger),
            features: keepsHealth ? old.features : POP3ServerFeatures(settings: settings, group: group, logger: logger),
            load: isSame ? old.load : POP3ServerLoad(servers: settings.servers.count), deletionLog: deletionLog,
            healer: healer, limits: old.limits, statistics: statistics, logger: logger)
        registry.change(limit: settings.maxConnections)
        shared.withLock { $0 = new }
        guard !keepsHealth else { return }
        old.health.stop()
        old.features.stop()
        new.features.ask()
    }

    /// Number of client connections now.
    public var connections: Int { registry.all.count }

    /// Whether new connections are taken.
    public var isListening: Bool { listeners.withLock { !$0.isEmpty } }

    /// What the proxy counted so far.
    public var figures: ProxyFigures { statistics.now }

    /// The mailbox servers as logins see them, in configuration order.
    public var servers: [ProxySnapshot.Server] { shared.withLock { $0 }.health.snapshot }

    /// `pop3.max_connections` in force.
    public var mostConnections: Int { shared.withLock { $0 }.settings.maxConnections }

    /// Starts to listen; returns the addresses bound, in the order given. Throws `POP3ListenError`.
    ///
    /// `[::]` takes IPv4 as well, and becomes `0.0.0.0` on a machine without IPv6.
    ///
    /// - Parameter tls: whether TLS begins with the connection.
    @discardableResult
    public func bind(_ endpoints: [Endpoint], tls: Bool = false) async throws -> [SocketAddress] {
        var addresses: [SocketAddress] = []
        for endpoint in endpoints {
            let channel: any Channel
            do {
                channel = try await bind(endpoint, tls)
            } catch {
                throw POP3ListenError(endpoint: endpoint, reason: plainText(error))
            }
            listeners.withLock { $0.append(channel) }
            guard let address = channel.localAddress else { continue }
            addresses.append(address)
            logger.info("Listening for POP3", metadata: ["listen.address": "\(address)", "listen.tls": "\(tls)"])
        }
        shared.withLock(\.features).ask()
        watchCertificate()
        return addresses
    }

    private func bind(_ endpoint: Endpoint, _ tls: Bool) async throws -> any Channel {
        guard endpoint.host == "::" else {
            return try await bootstrap(isWildcard: false, tls).bind(host: endpoint.host, port: endpoint.port).get()
        }
        do {
            return try await bootstrap(isWildcard: true, tls).bind(host: endpoint.host, port: endpoint.port).get()
        } catch let error as IOError where error.errnoCode == EAFNOSUPPORT || error.errnoCode == EADDRNOTAVAIL {
            logger.notice("This machine has no IPv6, listening on IPv4 alone")
            return try await bootstrap(isWildcard: false, tls).bind(host: "0.0.0.0", port: endpoint.port).get()
        }
    }

    private func bootstrap(isWildcard: Bool, _ isImplicit: Bool) -> ServerBootstrap {
        let registry = self.registry
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.recvAllocator, value: ReceiveBuffers())
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 * 1_024, high: 256 * 1_024))
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try POP3Admission(
                        shared: shared.withLock { $0 }, registry: registry, isImplicit: isImplicit
                    ).prepare(channel)
                }
            }
        let onlyIPv6 = ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only)
        return isWildcard ? bootstrap.serverChannelOption(onlyIPv6, value: 0) : bootstrap
    }

    private func watchCertificate() {
        let logger = self.logger
        certificateWatch.withLock { watch in
            guard watch == nil else { return }
            watch = Task { [weak self] in
                while !Task.isCancelled {
                    guard let settings = self?.shared.withLock(\.settings) else { return }
                    try? await Task.sleep(for: .nanoseconds(settings.times.certificateCheck.nanoseconds))
                    settings.clientTLS?.refresh(logger: logger)
                }
            }
        }
    }

    /// Stops accepting, ends sessions that have not logged in, lets the others go on for `grace`, then ends them too.
    public func shutDown(grace: Duration) async {
        let listeners = self.listeners.withLock { listeners in
            defer { listeners = [] }
            return listeners
        }
        for listener in listeners { try? await listener.close() }
        certificateWatch.withLock { $0?.cancel() }
        for channel in registry.all {
            channel.pipeline.fireUserInboundEventTriggered(POP3ClientHandler.Signal.drain)
        }
        let end = ContinuousClock.now + grace
        while !registry.all.isEmpty, ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(100))
        }
        for channel in registry.all { try? await channel.close() }
        let last = shared.withLock { $0 }
        last.health.stop()
        last.features.stop()
    }
}
