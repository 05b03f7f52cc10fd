public import CoveyCore
public import MailWire
public import NIOCore

/// The journal's mailbox on one server, read by POP3 and written by LMTP.
///
/// What it keeps is none of its business: Replication's JournalKeeper reads and writes it.
public final class JournalMailbox: JournalStore {
    public struct Settings: Sendable {
        public var mailbox: String
        public var password: Secret
        public var endpoint: Endpoint
        /// nil: in clear.
        public var tls: ServerTLS?
        /// For the connection and each answer.
        public var timeout: TimeAmount

        public init(
            mailbox: String, password: Secret, endpoint: Endpoint, tls: ServerTLS? = nil, timeout: TimeAmount
        ) {
            self.mailbox = mailbox
            self.password = password
            self.endpoint = endpoint
            self.tls = tls
            self.timeout = timeout
        }
    }

    /// Why a journal could not be read or changed.
    public struct Failure: JournalFailure, CustomStringConvertible {
        public let description: String
        public let isServerSilent: Bool
        /// Whether the server refused the journal's own login.
        public let isRefusedLogin: Bool
    }

    public let name: String
    private let settings: Settings
    private let delivery: LMTPServer
    private let group: any EventLoopGroup

    /// - Parameter delivery: the same server as a destination of mail.
    public init(name: String, settings: Settings, delivery: LMTPServer, group: any EventLoopGroup) {
        self.name = name
        self.settings = settings
        self.delivery = delivery
        self.group = group
    }

    /// Unique-ids of all messages, and messages whose unique-ids are not among `known`.
    public func read(known: Set<String>) async throws -> JournalReading {
        let result = await onLoop { session, completion in session.read(known: known, completion) }
        return try result.get()
    }

    public func answers() async -> Bool {
        let isEncrypted = settings.tls?.isImplicit ?? false
        return await ServerGreeting.ask(
            isEncrypted ? .tls : .pop3, at: settings.endpoint, patience: .milliseconds(200), group: group) == .greeted
    }

    /// Removes messages; those that are gone already are passed over.
    public func remove(_ uniqueIDs: Set<String>) async throws {
        let result = await onLoop { session, completion in session.remove(uniqueIDs, completion) }
        _ = try result.get()
    }

    /// Adds a message; true when the server has it on disk.
    public func append(_ text: ByteBuffer) async -> Bool {
        // From nobody: what cannot be delivered shall not come back.
        let outcomes = await delivery.deliver(
            OutgoingMessage(header: text, body: BufferedBody(ByteBuffer())),
            to: Envelope(sender: "", recipients: [settings.mailbox]))
        if case .accepted? = outcomes.first { return true }
        return false
    }

    private func onLoop<Value: Sendable>(
        _ work: @escaping @Sendable (JournalSession, @escaping (Result<Value, Failure>) -> Void) -> Void
    ) async -> Result<Value, Failure> {
        let loop = group.next()
        let session = loop.submit { [settings] in
            NIOLoopBound(JournalSession(settings: settings, eventLoop: loop), eventLoop: loop)
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                session.whenSuccess { work($0.value) { continuation.resume(returning: $0) } }
            }
        } onCancel: {
            session.whenSuccess { $0.value.cancel() }
        }
    }
}
