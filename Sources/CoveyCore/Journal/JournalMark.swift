/// What a journal says of the mailbox server it lies on: that the server was in touch, or that it was brought up to date.
public struct JournalMark: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        /// Written once a day to every journal (design §6).
        case heartbeat
        /// Written by `covey resync` at its end: what was missed before is made up for.
        case resynced
    }

    public var kind: Kind
    /// The server's name in the configuration. Signed, so that a message copied from another server's journal says
    /// nothing of this one.
    public var server: String
    /// Seconds since 1970.
    public var time: Int

    public init(_ kind: Kind, server: String, time: Int) {
        self.kind = kind
        self.server = server
        self.time = time
    }
}
