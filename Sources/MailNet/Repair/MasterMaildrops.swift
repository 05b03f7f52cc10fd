public import CoveyCore
internal import MailWire
public import NIOCore

/// The maildrops of one mailbox server, opened with a Dovecot master user: login name `user*master`
/// (auth_master_user_separator), password the master user's. Copies go in by LMTP.
public final class MasterMaildrops: MaildropServer {
    /// How to log in as any user.
    public struct Master: Sendable {
        public var name: String
        public var password: Secret
        /// Between the user's name and the master user's.
        public var separator: String

        public init(name: String, password: Secret, separator: String) {
            self.name = name
            self.password = password
            self.separator = separator
        }
    }

    /// Why a maildrop cannot be read or changed.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    public let name: String
    private let server: Int
    private let settings: POP3ProxySettings
    private let master: Master
    private let delivery: LMTPServer
    private let group: any EventLoopGroup
    private let cache = UniqueIDCache(capacity: 0)

    /// - Parameters:
    ///   - server: its place in the configuration.
    ///   - delivery: the same server as a destination of mail.
    public init(
        server: Int, settings: POP3ProxySettings, master: Master, delivery: LMTPServer, group: any EventLoopGroup
    ) {
        name = settings.servers[server].name
        self.server = server
        self.settings = settings
        self.master = master
        self.delivery = delivery
        self.group = group
    }

    public func open(_ user: String) async throws -> any MaildropSession {
        let loop = group.next()
        let (server, settings, cache, master) = (self.server, self.settings, self.cache, self.master)
        return try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<MasterSession, any Error>) in
            loop.execute {
                let opening = POP3ServerOpening(
                    server: server,
                    login: .init(
                        user: "\(user)\(master.separator)\(master.name)",
                        password: POP3Password(octets: Array(master.password.exposed.utf8)), client: nil),
                    settings: settings, cache: cache, eventLoop: loop)
                opening.start { outcome in
                    switch outcome {
                    case .opened(let listing):
                        continuation.resume(
                            returning: MasterSession(listing: listing, backend: opening.backend, loop: loop))
                    case .refused(let words, _):
                        continuation.resume(throwing: Failure(description: "login refused: \(words)"))
                    case .leftOut(_, let reason): continuation.resume(throwing: Failure(description: reason))
                    }
                }
            }
        }
    }

    public func store(_ copy: StoredCopy, for user: String) async -> String? {
        // From nobody: what cannot be delivered shall not come back, and nothing shall be answered.
        let outcomes = await delivery.deliver(
            OutgoingMessage(
                header: ByteBuffer(bytes: copy.header), body: BufferedBody(ByteBuffer(bytes: copy.body))),
            to: Envelope(sender: "", recipients: [user]))
        switch outcomes.first {
        case .accepted?: return nil
        case .refused(let reply, _)?: return "refused: \(reply)"
        case .unreachable(let reason)?, .unknown(let reason)?: return reason
        case nil: return "no answer"
        }
    }
}

/// One such login. The connection lives on its event loop.
private final class MasterSession: MaildropSession {
    let listing: ServerListing
    private let backend: NIOLoopBound<POP3Backend>
    private let loop: any EventLoop

    /// On the event loop.
    init(listing: ServerListing, backend: POP3Backend, loop: any EventLoop) {
        self.listing = listing
        self.backend = NIOLoopBound(backend, eventLoop: loop)
        self.loop = loop
    }

    func fetch(_ message: ServerListing.Message) async throws -> [UInt8] {
        try await onLoop { backend, completion in
            var octets: [UInt8] = []
            var unstuffing = POP3Unstuffing()
            var refusal: String?
            backend.enqueue(.retr(message.number)) { event in
                switch event {
                case .status(let status): if !status.isOK { refusal = status.text }
                case .body(let piece): unstuffing.append(piece.readableBytesView, to: &octets)
                case .challenge, .line: break
                case .end:
                    if let refusal { return completion(.failure(.init(description: "RETR: \(refusal)"))) }
                    // A damaged message may end early with a perfect final dot (facts 18).
                    guard octets.count >= message.octets else {
                        return completion(.failure(.init(description: "shorter than the server's own LIST says")))
                    }
                    // RFC 1939 §3: the final CRLF is the protocol's where the message does not end with one.
                    if octets.count == message.octets + 2 { octets.removeLast(2) }
                    completion(.success(octets))
                case .failed(let failure): completion(.failure(.init(description: failure.description)))
                }
            }
            backend.flush()
        }
    }

    func remove(_ messages: [ServerListing.Message]) async throws {
        _ = try await onLoop { backend, completion in
            var refusals = 0
            for message in messages {
                backend.enqueueForStatus(.dele(message.number)) { result in
                    if case .success(let status) = result, status.isOK { return }
                    refusals += 1
                }
            }
            backend.enqueueForStatus(.quit) { result in
                backend.close()
                if case .success(let status) = result, status.isOK, refusals == 0 { return completion(.success([])) }
                completion(.failure(.init(description: "DELE and QUIT were not confirmed")))
            }
            backend.flush()
        }
    }

    func close() async {
        let backend = self.backend
        loop.execute { backend.value.quit(within: .seconds(5)) }
    }

    private func onLoop(
        _ work: @escaping @Sendable (POP3Backend, @escaping (Result<[UInt8], MasterMaildrops.Failure>) -> Void) -> Void
    ) async throws -> [UInt8] {
        let backend = self.backend
        return try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<[UInt8], any Error>) in
            loop.execute {
                work(backend.value) { continuation.resume(with: $0.mapError { $0 as any Error }) }
            }
        }
    }
}
