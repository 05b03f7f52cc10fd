/// A mailbox server where a user's maildrop can be read and changed without the mail program.
public protocol MaildropReader: Sendable {
    /// The server's name in the configuration.
    var name: String { get }
    /// Logs in to a user's maildrop and lists it.
    func open(_ user: String) async throws -> any MaildropSession
}

/// A mailbox server where copies can be put.
public protocol CopyStore: Sendable {
    /// The server's name in the configuration.
    var name: String { get }
    /// Puts a copy there: nil when the server has it on disk, else its words.
    func store(_ copy: StoredCopy, for user: String) async -> String?
}

/// Both.
public typealias MaildropServer = CopyStore & MaildropReader

/// One login to one user's maildrop. What is not asked to be removed stays.
public protocol MaildropSession: Sendable {
    var listing: ServerListing { get }
    /// A whole message: lines ending in CRLF, without dot-stuffing. Throws where it is shorter than listed.
    func fetch(_ message: ServerListing.Message) async throws -> [UInt8]
    /// Removes messages and ends the session.
    func remove(_ messages: [ServerListing.Message]) async throws
    /// Ends the session.
    func close() async
}
