public import NIOCore

/// One mailbox server's journal.
public protocol JournalStore: Sendable {
    /// The server's name in the configuration.
    var name: String { get }
    /// Reads what is new: all of it, or a part that fits into memory; then the reader asks again.
    ///
    /// - Parameter known: unique-ids of messages that were read before.
    /// - Throws: `JournalStoreFailure` where the journal cannot be read.
    func read(known: Set<String>) async throws -> JournalReading
    /// Adds a message: true when the server has it on disk.
    func append(_ text: ByteBuffer) async -> Bool
    /// Removes messages by unique-id; those that are gone already are no error.
    func remove(_ uniqueIDs: Set<String>) async throws
}

/// Why a journal could not be read or changed.
public struct JournalStoreFailure: Error, Sendable, CustomStringConvertible {
    public let description: String
    /// Whether the server refused the journal's own login: then its refusals of others say nothing about their
    /// passwords.
    public let isRefusedLogin: Bool

    public init(description: String, isRefusedLogin: Bool) {
        self.description = description
        self.isRefusedLogin = isRefusedLogin
    }
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
