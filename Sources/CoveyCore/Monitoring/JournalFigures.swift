/// A proxy's journal keeper at one moment.
public struct JournalFigures: Sendable, Equatable {
    /// One mailbox server's journal.
    public struct Server: Sendable, Equatable {
        public var name: String
        /// Whether the last reading succeeded; true before the first one has ended.
        public var isReadable: Bool
        /// Why it cannot be read.
        public var reason: String?
        /// Whether it cannot be read because the server did not answer at all.
        public var isServerSilent: Bool
        /// Entries that it lacks.
        public var missing: Int
        /// Messages that were not written with the cluster's key.
        public var foreign: Int
        public var hasLostTouch: Bool

        public init(
            name: String, isReadable: Bool, reason: String? = nil, isServerSilent: Bool = false, missing: Int = 0,
            foreign: Int = 0, hasLostTouch: Bool = false
        ) {
            self.name = name
            self.isReadable = isReadable
            self.reason = reason
            self.isServerSilent = isServerSilent
            self.missing = missing
            self.foreign = foreign
            self.hasLostTouch = hasLostTouch
        }
    }

    /// Deletions known, from all journals together.
    public var entries: Int
    /// Deletions that wait to be written to any journal.
    public var pending: Int
    /// In configuration order.
    public var servers: [Server]

    public init(entries: Int, pending: Int, servers: [Server]) {
        self.entries = entries
        self.pending = pending
        self.servers = servers
    }

    public subscript(name: String) -> Server? { servers.first { $0.name == name } }
}
