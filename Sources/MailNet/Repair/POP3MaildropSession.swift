internal import CoveyCore
internal import MailWire
internal import NIOCore

/// Why a maildrop cannot be read or changed.
struct MaildropFailure: Error, Sendable, CustomStringConvertible {
    let description: String
}

/// One login to one maildrop that was listed. The connection lives on its event loop.
final class POP3MaildropSession: MaildropSession {
    let listing: ServerListing
    private let backend: NIOLoopBound<POP3Backend>
    private let loop: any EventLoop

    /// Logs in at one mailbox server and lists what is there. Throws `MaildropFailure`.
    static func open(
        server: Int, login: POP3ServerOpening.Login, settings: POP3ProxySettings, cache: UniqueIDCache,
        group: any EventLoopGroup
    ) async throws -> POP3MaildropSession {
        let loop = group.next()
        return try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<POP3MaildropSession, any Error>) in
            loop.execute {
                let opening = POP3ServerOpening(
                    server: server, login: login, settings: settings, cache: cache, eventLoop: loop)
                opening.start { outcome in
                    switch outcome {
                    case .opened(let listing):
                        continuation.resume(
                            returning: POP3MaildropSession(listing: listing, backend: opening.backend, loop: loop))
                    case .refused(let words, _):
                        continuation.resume(throwing: MaildropFailure(description: "login refused: \(words)"))
                    case .leftOut(_, let reason): continuation.resume(throwing: MaildropFailure(description: reason))
                    }
                }
            }
        }
    }

    /// On the event loop.
    private init(listing: ServerListing, backend: POP3Backend, loop: any EventLoop) {
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
        _ work: @escaping @Sendable (POP3Backend, @escaping (Result<[UInt8], MaildropFailure>) -> Void) -> Void
    ) async throws -> [UInt8] {
        let backend = self.backend
        return try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<[UInt8], any Error>) in
            loop.execute {
                work(backend.value) { continuation.resume(with: $0.mapError { $0 as any Error }) }
            }
        }
    }
}
