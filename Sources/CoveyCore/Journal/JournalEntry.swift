/// Deletions of one user's messages, as the journal keeps them (design §6): valid for every mailbox server, now and
/// later.
public struct JournalEntry: Sendable, Hashable {
    /// Mailbox address, lower-case.
    public var user: String
    /// At least one.
    public var ids: [UniqueID]
    /// When the user deleted them: seconds since 1970.
    public var time: Int

    public init(user: String, ids: [UniqueID], time: Int) {
        self.user = user
        self.ids = ids
        self.time = time
    }
}
