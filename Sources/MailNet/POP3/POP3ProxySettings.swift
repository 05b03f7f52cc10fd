public import CoveyCore
public import NIOCore

/// What the POP3 proxy needs to know of the cluster.
public struct POP3ProxySettings: Sendable {
    /// A mailbox server to read from.
    public struct Server: Sendable {
        public var name: String
        public var endpoint: Endpoint
        /// nil: in clear.
        public var tls: ServerTLS?

        public init(name: String, endpoint: Endpoint, tls: ServerTLS? = nil) {
            self.name = name
            self.endpoint = endpoint
            self.tls = tls
        }

        /// Whether what is known of one is true of the other.
        func isSame(as other: Server) -> Bool { name == other.name && endpoint == other.endpoint }
    }

    /// How long things may take.
    public struct Times: Sendable, Equatable {
        /// Silence of a client that is not logged in (Dovecot's 3 minutes).
        public var beforeLogin: TimeAmount = .minutes(3)
        /// Silence of a client with a maildrop open: RFC 1939 §3 asks for at least 10 minutes.
        public var inactivity: TimeAmount = .minutes(10)
        /// From the first connection attempt to a server's answer to PASS.
        public var login: TimeAmount = .seconds(5)
        /// Silence of a server that owes UIDL or LIST: sizes of a large maildrop that was never read take long.
        public var listing: TimeAmount = .seconds(60)
        /// Silence of a server that owes another answer, or the rest of a message. Mail programs give up after 60 s:
        /// another server must have gone on by then.
        public var response: TimeAmount = .seconds(20)
        /// For all deletions of one QUIT on one server.
        public var update: TimeAmount = .seconds(60)
        /// For the journal entry of deletions that every server has confirmed. It is written once in `journal.poll`.
        public var note: TimeAmount = .seconds(3)
        /// Silence towards a server after which it gets a NOOP; Dovecot ends sessions after 10 minutes.
        public var keepAlive: TimeAmount = .minutes(2)
        /// Between two probes of a server that logins skip.
        public var probeInterval: TimeAmount = .seconds(1)
        /// From a balancer's connection to the end of its PROXY header, which it sends at once; the specification asks for
        /// at least 3 s, so that a lost packet can be sent again.
        public var proxyHeader: TimeAmount = .seconds(5)
        /// Between two looks at the certificate's files.
        public var certificateCheck: TimeAmount = .seconds(3)

        public init() {}
    }

    /// In configuration order.
    public var servers: [Server]
    /// Server indices, the one to read messages from first at the front.
    public var preference: [Int]
    /// Those of them on this proxy's own host.
    public var local: Set<Int> = []
    public var auth: ClusterConfiguration.POP3.Auth
    public var defaultDomain: String?
    public var maxConnections: Int
    public var key: ClusterKey
    public var times: Times
    /// The certificate for mail programs; nil: no TLS.
    public var clientTLS: ClientTLS?
    /// Load balancers whose PROXY header is believed, and without one nothing of them.
    public var proxyProtocolFrom: Set<IPAddress> = []

    public init(
        servers: [Server], preference: [Int], auth: ClusterConfiguration.POP3.Auth, defaultDomain: String?,
        maxConnections: Int, key: ClusterKey, times: Times
    ) {
        self.servers = servers
        self.preference = preference
        self.auth = auth
        self.defaultDomain = defaultDomain
        self.maxConnections = maxConnections
        self.key = key
        self.times = times
    }

    /// The settings of the proxy on the host of that name: mailbox servers of the same name or with one of its
    /// addresses are read from first. Throws `ServerTLS.UnusableCertificates` and `CertificateFault`.
    public init(configuration: ClusterConfiguration, host: String) throws {
        let name = host.prefix { $0 != "." }
        let proxyAddresses = configuration.proxies.first { $0.name == name }?.addresses ?? []
        let local = configuration.mailboxes.indices.filter { index in
            let server = configuration.mailboxes[index]
            return server.name == name || server.addresses.contains { proxyAddresses.contains($0) }
        }
        var times = Times()
        times.login = TimeAmount(configuration.pop3.loginTimeout)
        self.init(
            servers: try configuration.mailboxes.map {
                try Server(name: $0.name, endpoint: $0.pop3, tls: ServerTLS($0))
            },
            preference: local + configuration.mailboxes.indices.filter { !local.contains($0) },
            auth: configuration.pop3.auth, defaultDomain: configuration.pop3.defaultDomain,
            maxConnections: configuration.pop3.maxConnections, key: configuration.cluster.key, times: times)
        self.local = Set(local)
        proxyProtocolFrom = Set(configuration.pop3.proxyProtocolFrom)
        if let certificate = configuration.pop3.certificate, let privateKey = configuration.pop3.privateKey {
            clientTLS = try ClientTLS(certificate: certificate, privateKey: privateKey)
        }
    }
}
