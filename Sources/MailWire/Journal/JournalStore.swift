public import NIOCore

/// Why a journal could not be read, as far as others must know.
public protocol JournalFailure: Error {
    /// Whether the server did not answer at all, rather than with a refusal.
    var isServerSilent: Bool { get }
    /// Whether the server refused the journal's own login: then its refusals of others say nothing about their passwords.
    var isRefusedLogin: Bool { get }
}

/// One mailbox server's journal.
public protocol JournalStore: Sendable {
    /// The server's name in the configuration.
    var name: String { get }
    /// Reads what is new: all of it, or a part that fits into memory; then the reader asks again.
    ///
    /// - Parameter known: unique-ids of messages that were read before.
    /// - Throws: `JournalFailure` where the journal cannot be read, or the task was cancelled.
    func read(known: Set<String>) async throws -> JournalReading
    /// Whether the server is there, asked now: false after a fifth of a second of silence.
    func answers() async -> Bool
    /// Adds a message: true when the server has it on disk.
    func append(_ text: ByteBuffer) async -> Bool
    /// Removes messages by unique-id; those that are gone already are no error.
    func remove(_ uniqueIDs: Set<String>) async throws
}

/// What a journal held at one time.
public struct JournalReading: Sendable {
    /// Unique-ids of all its messages.
    public var uniqueIDs: Set<String>
    /// Messages that were not known: unique-id and octets, header section included. At least one, where there are any.
    public var new: [(uniqueID: String, octets: ByteBuffer)]

    public init(uniqueIDs: Set<String>, new: [(uniqueID: String, octets: ByteBuffer)]) {
        self.uniqueIDs = uniqueIDs
        self.new = new
    }
}
