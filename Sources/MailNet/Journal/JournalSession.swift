internal import CoveyCore
internal import MailWire
internal import NIOCore

/// One POP3 session with a journal's mailbox: log in, list, fetch or remove, QUIT.
///
/// Ends with exactly one result. Used on its event loop only.
final class JournalSession {
    typealias Failure = JournalMailbox.Failure
    private typealias Completion = (Result<JournalReading, Failure>) -> Void

    /// Messages fetched without waiting for each; their octets are in memory together.
    private static let window = 64
    /// Octets of one reading: what a journal of a million entries holds is not in memory at once.
    private static let mostOctets = 8 * 1_024 * 1_024

    private let settings: JournalMailbox.Settings
    private let eventLoop: any EventLoop
    private let backend: POP3Backend
    private var completion: Completion?
    /// Whether it has failed or was given up, perhaps before it began.
    private var isOver = false
    private var listing: [POP3UniqueIDLine] = []
    private var sizes: [Int: Int] = [:]
    private var toFetch: [POP3UniqueIDLine] = []
    private var fetched: [(uniqueID: String, octets: ByteBuffer)] = []
    private var inFlight = 0

    init(settings: JournalMailbox.Settings, eventLoop: any EventLoop) {
        self.settings = settings
        self.eventLoop = eventLoop
        backend = POP3Backend(eventLoop: eventLoop, responseTimeout: settings.timeout)
    }

    func read(
        known: Set<String>,
        _ completion: @escaping (Result<JournalReading, Failure>) -> Void
    ) {
        start(completion) {
            var octets = 0
            self.toFetch = self.listing.filter { !known.contains($0.uniqueID) }.prefix { line in
                defer { octets += self.sizes[line.number] ?? 0 }
                return octets <= JournalSession.mostOctets
            }.reversed()
            self.fetchMore()
        }
    }

    func remove(_ uniqueIDs: Set<String>, _ completion: @escaping (Result<Bool, Failure>) -> Void) {
        start({ completion($0.map { _ in true }) }) {
            for line in self.listing where uniqueIDs.contains(line.uniqueID) {
                self.enqueueForOK(.dele(line.number)) {}
            }
            self.finish()
        }
    }

    /// Ends it with a failure, if it has not ended.
    func cancel() {
        fail("given up", isServerSilent: true)
    }

    private func start(_ completion: @escaping Completion, whenListed: @escaping () -> Void) {
        self.completion = completion
        guard !isOver else { return cancel() }
        backend.open(
            settings.endpoint, tls: settings.tls, connectTimeout: settings.timeout,
            greeting: POP3Backend.statusReceiver { self.check($0, "greeting") {} })
        // A server that takes no passwords at all, or not in clear, refuses USER.
        enqueueForOK(.user(settings.mailbox), isLogin: true) {
            // Not pipelined: an untrusting Dovecot takes no commands before it has answered.
            self.enqueueForOK(
                .pass(POP3Password(octets: Array(self.settings.password.exposed.utf8))), isLogin: true
            ) { self.list(whenListed) }
            self.backend.flush()
        }
        backend.flush()
    }

    private func list(_ whenListed: @escaping () -> Void) {
        collect(.uidl) { line in
            guard let line = POP3UniqueIDLine(line) else { return false }
            self.listing.append(line)
            return true
        }
        collect(.list) { line in
            guard let line = POP3SizeLine(line) else { return false }
            self.sizes[line.number] = line.octets
            return true
        } whenDone: {
            whenListed()
        }
        backend.flush()
    }

    private func collect(
        _ command: POP3BackendCommand, line: @escaping (ByteBuffer) -> Bool, whenDone: @escaping () -> Void = {}
    ) {
        backend.enqueue(command) { event in
            guard self.completion != nil else { return }
            switch event {
            case .status(let status) where !status.isOK: self.fail("\(command): \(status.text)")
            case .line(let octets): if !line(octets) { self.fail("the answer to \(command) cannot be understood") }
            case .end: whenDone()
            case .failed(let failure): self.fail(failure.description, isServerSilent: true)
            case .status, .challenge, .body: break
            }
        }
    }

    private func fetchMore() {
        while inFlight < JournalSession.window, let next = toFetch.popLast() {
            inFlight += 1
            fetch(next)
        }
        backend.flush()
        if inFlight == 0 { finish() }
    }

    private func fetch(_ message: POP3UniqueIDLine) {
        var octets = ByteBuffer()
        backend.enqueue(.retr(message.number)) { event in
            guard self.completion != nil else { return }
            switch event {
            case .status(let status) where !status.isOK: self.fail("RETR \(message.number): \(status.text)")
            case .body(var piece): octets.writeBuffer(&piece)
            case .end(let count):
                // A damaged message may end early with a perfect final dot (facts 18).
                guard self.sizes[message.number].map({ count >= $0 }) ?? true else {
                    return self.fail("message \(message.uniqueID) is shorter than the server's own LIST says")
                }
                self.fetched.append((message.uniqueID, octets))
                self.inFlight -= 1
                self.fetchMore()
            case .failed(let failure): self.fail(failure.description, isServerSilent: true)
            case .status, .challenge, .line: break
            }
        }
    }

    private func finish() {
        enqueueForOK(.quit) {
            let completion = self.completion
            self.completion = nil
            self.backend.close()
            completion?(.success(JournalReading(uniqueIDs: Set(self.listing.map(\.uniqueID)), new: self.fetched)))
        }
        backend.flush()
    }

    private func enqueueForOK(
        _ command: POP3BackendCommand, isLogin: Bool = false, _ next: @escaping () -> Void
    ) {
        backend.enqueueForStatus(command) { self.check($0, isLogin ? "login" : "\(command)", isLogin: isLogin, next) }
    }

    private func check(
        _ result: Result<POP3Status, POP3BackendFailure>, _ what: String, isLogin: Bool = false,
        _ next: () -> Void
    ) {
        guard completion != nil else { return }
        switch result {
        case .success(let status) where status.isOK: next()
        case .success(let status):
            fail("\(what): \(status.text)", isRefusedLogin: isLogin && !status.isTemporary)
        case .failure(let failure): fail(failure.description, isServerSilent: true)
        }
    }

    private func fail(_ reason: String, isRefusedLogin: Bool = false, isServerSilent: Bool = false) {
        let completion = self.completion
        self.completion = nil
        isOver = true
        backend.close()
        completion?(
            .failure(Failure(description: reason, isServerSilent: isServerSilent, isRefusedLogin: isRefusedLogin)))
    }
}
