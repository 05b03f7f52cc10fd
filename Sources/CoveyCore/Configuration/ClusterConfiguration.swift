/// Everything `cluster.toml` says, with every default filled in (design §8).
///
/// A value of this type is valid: `ConfigurationLoader` refuses a file in which anything is missing or wrong.
public struct ClusterConfiguration: Sendable, Equatable {
    public var cluster: Cluster
    public var hubs: [Hub]
    public var mailboxes: [MailboxServer]
    public var proxies: [Proxy]
    public var dns: DNS
    public var milter: Milter
    public var pop3: POP3
    public var journal: Journal
    public var monitor: Monitor
    /// Which keys the file sets itself, as `mailbox[0].lmtp`, counted from 0; the others have their defaults. Says where
    /// the values come from, and is therefore left out when configurations are compared.
    public var explicitKeys: Set<String>

    public init(
        cluster: Cluster, hubs: [Hub], mailboxes: [MailboxServer], proxies: [Proxy], dns: DNS, milter: Milter,
        pop3: POP3, journal: Journal, monitor: Monitor, explicitKeys: Set<String> = []
    ) {
        self.cluster = cluster
        self.hubs = hubs
        self.mailboxes = mailboxes
        self.proxies = proxies
        self.dns = dns
        self.milter = milter
        self.pop3 = pop3
        self.journal = journal
        self.monitor = monitor
        self.explicitKeys = explicitKeys
    }

    public static func == (left: ClusterConfiguration, right: ClusterConfiguration) -> Bool {
        left.cluster == right.cluster && left.hubs == right.hubs && left.mailboxes == right.mailboxes
            && left.proxies == right.proxies && left.dns == right.dns && left.milter == right.milter
            && left.pop3 == right.pop3 && left.journal == right.journal && left.monitor == right.monitor
    }

    /// `[cluster]`
    public struct Cluster: Sendable, Equatable {
        /// Mail domains of the cluster, lower-case, at least one.
        public var domains: [String]
        /// Absolute path of the key file.
        public var keyFile: String
        /// The key itself; never printed.
        public var key: ClusterKey

        public init(domains: [String], keyFile: String, key: ClusterKey) {
            self.domains = domains
            self.keyFile = keyFile
            self.key = key
        }
    }

    /// `[[hub]]`: an MX host, with its MTA and covey-milter.
    public struct Hub: Sendable, Equatable {
        public var name: String
        public var addresses: [IPAddress]
        /// MX preference, 0 to 65535.
        public var preference: Int

        public init(name: String, addresses: [IPAddress], preference: Int) {
            self.name = name
            self.addresses = addresses
            self.preference = preference
        }
    }

    /// `[[mailbox]]`: a mailbox server.
    public struct MailboxServer: Sendable, Equatable {
        public enum DeliveryProtocol: String, Sendable, Equatable { case lmtp, smtp }
        public enum TLSMode: String, Sendable, Equatable, CaseIterable { case none, starttls, implicit }

        public var name: String
        public var addresses: [IPAddress]
        /// How copies are delivered: `lmtp = …` or `smtp = …`.
        public var deliveryProtocol: DeliveryProtocol
        /// Where copies are delivered.
        public var delivery: Endpoint
        /// Where the maildrop is read.
        public var pop3: Endpoint
        public var tls: TLSMode
        /// Absolute path of the CA bundle, or nil for the system's.
        public var caFile: String?
        /// Whether the certificate must verify.
        public var verify: Bool

        public init(
            name: String, addresses: [IPAddress], deliveryProtocol: DeliveryProtocol, delivery: Endpoint,
            pop3: Endpoint, tls: TLSMode, caFile: String?, verify: Bool
        ) {
            self.name = name
            self.addresses = addresses
            self.deliveryProtocol = deliveryProtocol
            self.delivery = delivery
            self.pop3 = pop3
            self.tls = tls
            self.caFile = caFile
            self.verify = verify
        }
    }

    /// `[[proxy]]`: a host that runs covey-pop3d.
    public struct Proxy: Sendable, Equatable {
        public var name: String
        public var addresses: [IPAddress]

        public init(name: String, addresses: [IPAddress]) {
            self.name = name
            self.addresses = addresses
        }
    }

    /// `[dns]`
    public struct DNS: Sendable, Equatable {
        /// The zone the host names are in, or nil if the file does not say (then `covey dns` is not available).
        public var zone: String?
        public var popName: String
        /// Seconds.
        public var ttl: Int

        public init(zone: String?, popName: String, ttl: Int) {
            self.zone = zone
            self.popName = popName
            self.ttl = ttl
        }
    }

    /// `[milter]`
    public struct Milter: Sendable, Equatable {
        public enum Delivery: String, Sendable, Equatable, CaseIterable { case direct, queued }
        /// How many mailbox servers must have stored a message before its sender hears 250.
        public enum MinCopies: Sendable, Equatable {
            case count(Int)
            case all
        }

        /// libmilter socket specification (`unix:/path`, `inet:port@host`); empty in the file means the default.
        public var socket: String
        public var delivery: Delivery
        public var minCopies: MinCopies
        public var connectTimeout: Duration
        /// Per reply.
        public var deliveryTimeout: Duration
        /// Octets, over all messages in flight.
        public var spoolLimit: Int
        /// Postfix lookup tables (`hash:/etc/postfix/virtual`) whose addresses stay with the MTA.
        public var leaveToMTA: [String]
        public var rejectUnknown: Bool
        /// System user the daemon becomes when started as root.
        public var user: String
        /// Words of the flush command; `{domain}` and `{server}` are replaced.
        public var flushCommand: [String]

        public init(
            socket: String, delivery: Delivery, minCopies: MinCopies, connectTimeout: Duration,
            deliveryTimeout: Duration, spoolLimit: Int, leaveToMTA: [String], rejectUnknown: Bool, user: String,
            flushCommand: [String]
        ) {
            self.socket = socket
            self.delivery = delivery
            self.minCopies = minCopies
            self.connectTimeout = connectTimeout
            self.deliveryTimeout = deliveryTimeout
            self.spoolLimit = spoolLimit
            self.leaveToMTA = leaveToMTA
            self.rejectUnknown = rejectUnknown
            self.user = user
            self.flushCommand = flushCommand
        }
    }

    /// `[pop3]`
    public struct POP3: Sendable, Equatable {
        public enum Auth: String, Sendable, Equatable, CaseIterable { case all, any }

        public var listen: [Endpoint]
        public var listenTLS: [Endpoint]
        public var certificate: String?
        public var privateKey: String?
        public var auth: Auth
        public var loginTimeout: Duration
        /// Added to a user name without @; nil when the file leaves it empty.
        public var defaultDomain: String?
        public var maxConnections: Int
        public var proxyProtocolFrom: [IPAddress]
        public var healAfter: Duration
        public var user: String

        public init(
            listen: [Endpoint], listenTLS: [Endpoint], certificate: String?, privateKey: String?, auth: Auth,
            loginTimeout: Duration, defaultDomain: String?, maxConnections: Int, proxyProtocolFrom: [IPAddress],
            healAfter: Duration, user: String
        ) {
            self.listen = listen
            self.listenTLS = listenTLS
            self.certificate = certificate
            self.privateKey = privateKey
            self.auth = auth
            self.loginTimeout = loginTimeout
            self.defaultDomain = defaultDomain
            self.maxConnections = maxConnections
            self.proxyProtocolFrom = proxyProtocolFrom
            self.healAfter = healAfter
            self.user = user
        }
    }

    /// `[journal]`
    public struct Journal: Sendable, Equatable {
        public var mailbox: String
        /// Absolute path.
        public var passwordFile: String
        /// The journal mailbox's password; never printed. Nil on hosts that do not need it (hubs) and lack the file.
        public var password: Secret?
        public var expire: Duration
        public var poll: Duration

        public init(mailbox: String, passwordFile: String, password: Secret?, expire: Duration, poll: Duration) {
            self.mailbox = mailbox
            self.passwordFile = passwordFile
            self.password = password
            self.expire = expire
            self.poll = poll
        }
    }

    /// `[monitor]`
    public struct Monitor: Sendable, Equatable {
        public var listen: Endpoint

        public init(listen: Endpoint) {
            self.listen = listen
        }
    }
}
