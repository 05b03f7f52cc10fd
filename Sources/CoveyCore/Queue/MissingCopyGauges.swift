/// How many copies wait for whom, in numbers: for monitoring.
public struct MissingCopyGauges: Sendable, Equatable {
    public struct Server: Sendable, Equatable {
        /// Copies in the queue, whatever their state.
        public var waiting = 0
        /// Of these, refused for good by the server.
        public var refused = 0
        /// Of these, near the end of their time in the queue.
        public var ending = 0
        /// When the oldest was accepted: seconds since 1970.
        public var oldestArrival: Int?

        public init() {}

        public init(waiting: Int, refused: Int = 0, ending: Int = 0, oldestArrival: Int?) {
            self.waiting = waiting
            self.refused = refused
            self.ending = ending
            self.oldestArrival = oldestArrival
        }
    }

    /// Servers for which copies wait, by name.
    public var servers: [String: Server] = [:]
    /// Copies that the MTA gave up since this process was started.
    public var givenUp = 0
    /// When the queue was last read to its end, seconds since 1970; nil before that.
    public var lookedAt: Int?

    public init() {}
}
