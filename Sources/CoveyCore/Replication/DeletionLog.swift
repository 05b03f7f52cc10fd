/// Deletions of one user's messages that some server has not carried out.
public struct Deletions: Sendable, Equatable {
    /// Mailbox address, lower-case.
    public let user: String
    public let ids: [MaildropID]

    public init(user: String, ids: [MaildropID]) {
        self.user = user
        self.ids = ids
    }
}

public enum DeletionLogError: Error, Sendable, Equatable {
    /// Nothing could be made durable: the deletions are not on record.
    case unavailable
}

/// Where deletions go that a mailbox server missed, so that they are carried out later, by whatever proxy (design §6).
///
/// In QUIT the proxy calls `record` with what is known to be missing before it deletes anything; after the deletions
/// with what was not confirmed; `noteConfirmed` with the rest, for which it waits a moment only.
public protocol DeletionLog: Sendable {
    /// Ids of the user's messages that are deleted, wherever a copy may turn up.
    ///
    /// - Parameter since: what was on record then is in the answer, if it can be had in time. Nil: as fresh as every login
    ///   needs it, which may be a little older.
    func deletedIDs(of user: String, since: ContinuousClock.Instant?) async -> Set<MaildropID>

    /// Returns when the deletions are durable; throws when they cannot be made so now.
    ///
    /// - Returns: the time from which on every login, at whatever proxy, knows of them without asking for it.
    @discardableResult
    func record(_ deletions: Deletions) async throws(DeletionLogError) -> ContinuousClock.Instant

    /// Takes deletions that every configured server confirmed: a late copy may still bring the message back.
    ///
    /// Returns when they are durable, or cannot be made so. They are written all the same when nobody waits any more.
    func noteConfirmed(_ deletions: Deletions) async

    /// Names of mailbox servers that have lost touch: they may hold messages whose deletion nobody remembers (design §6).
    func serversOutOfTouch() async -> Set<String>

    /// For how long each server was seen to be up: without the gaps, and only since this process watches it. A server
    /// that is not watched is not in it.
    func watchedUptime() async -> [String: Duration]

    /// Whether a mailbox server that has just refused a user refuses the log's own login too: then it is sick, and its
    /// refusal says nothing about the user's password (design §5, Login).
    ///
    /// - Parameter since: when the user's login began; only what was tried after that counts, if it can be had in time.
    func isLoginRefused(at server: String, since: ContinuousClock.Instant) async -> Bool
}

extension DeletionLog {
    public func deletedIDs(of user: String) async -> Set<MaildropID> { await deletedIDs(of: user, since: nil) }

    /// Of a log without logins of its own: nobody can tell, and the refusal stands.
    public func isLoginRefused(at server: String, since: ContinuousClock.Instant) async -> Bool { false }
}

/// A log that cannot log: with it a QUIT with deletions needs every configured server.
public struct NoDeletionLog: DeletionLog {
    public init() {}

    public func deletedIDs(of user: String, since: ContinuousClock.Instant?) async -> Set<MaildropID> { [] }

    public func record(_ deletions: Deletions) async throws(DeletionLogError) -> ContinuousClock.Instant {
        throw .unavailable
    }

    public func noteConfirmed(_ deletions: Deletions) async {}

    public func serversOutOfTouch() async -> Set<String> { [] }

    public func watchedUptime() async -> [String: Duration] { [:] }
}
