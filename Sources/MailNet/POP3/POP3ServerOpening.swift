internal import CoveyCore
internal import MailWire
internal import NIOCore

/// Opens one user's maildrop on one mailbox server: connect, log in, read what is there.
///
/// Ends with exactly one `Outcome`. `cancel` ends it without one.
final class POP3ServerOpening {
    enum Outcome {
        case opened(ServerListing)
        /// The server refuses the credentials; with its words, and what it told about a token.
        case refused(String, challenge: [UInt8]?)
        /// The server cannot be used now; with the reason.
        case leftOut(Fault, String)
    }

    enum Fault {
        /// It is down, or did not even answer what comes before the password.
        case unreachable
        /// It was sent the password and did not answer in time.
        case silent
        case otherwise
    }

    struct Login {
        /// Of a mailbox address.
        let credentials: POP3Credentials
        let client: SocketAddress?
        let wantsUTF8: Bool
        let started = ContinuousClock.now

        var user: String { credentials.user }

        init(credentials: POP3Credentials, client: SocketAddress?, wantsUTF8: Bool = false) {
            self.credentials = credentials
            self.client = client
            self.wantsUTF8 = wantsUTF8
        }

        init(user: String, password: POP3Password, client: SocketAddress?) {
            self.init(credentials: .password(user: user, password), client: client)
        }
    }

    let server: Int
    let backend: POP3Backend
    private let settings: POP3ProxySettings
    private let cache: UniqueIDCache
    /// Where to note what the server can do.
    private let features: POP3ServerFeatures?
    private let login: Login
    private var dialogue: POP3ServerLogin
    private let eventLoop: any EventLoop
    private var completion: ((Outcome) -> Void)?
    private var loginDeadline: Scheduled<Void>?
    /// Whether the server has accepted the credentials.
    private var isLoggedIn = false

    private var uniqueIDs: [POP3UniqueIDLine] = []
    private var sizes: [POP3SizeLine] = []
    /// Ids by position in `uniqueIDs`; nil where still unknown.
    private var ids: [MaildropID?] = []
    private var headersDue = 0

    init(
        server: Int, login: Login, settings: POP3ProxySettings, cache: UniqueIDCache,
        features: POP3ServerFeatures? = nil, eventLoop: any EventLoop
    ) {
        self.server = server
        self.login = login
        self.settings = settings
        self.cache = cache
        self.features = features
        self.eventLoop = eventLoop
        self.backend = POP3Backend(eventLoop: eventLoop, responseTimeout: settings.times.response)
        let client = login.client.flatMap { address in
            address.addressForXCLIENT.flatMap { text in address.port.map { (address: text, port: $0) } }
        }
        dialogue = POP3ServerLogin(credentials: login.credentials, client: client, wantsUTF8: login.wantsUTF8)
    }

    func start(_ completion: @escaping (Outcome) -> Void) {
        self.completion = completion
        loginDeadline = eventLoop.assumeIsolated().scheduleTask(in: settings.times.login) {
            self.finish(.leftOut(self.fault(of: .timedOut), "login took longer than login_timeout"))
        }
        let greeting = POP3Backend.statusReceiver { result in
            switch result {
            case .success(let status) where status.isOK:
                self.perform(self.dialogue.start(greeting: status))
                self.features?.noteXCLIENT(self.server, isOffered: self.dialogue.takesXCLIENT)
            case .success(let status): self.finish(.leftOut(.otherwise, "greeting: \(status.words)"))
            case .failure(let failure): self.finish(.leftOut(.unreachable, failure.description))
            }
        }
        backend.open(
            settings.servers[server].endpoint, tls: settings.servers[server].tls,
            connectTimeout: settings.times.login, greeting: greeting)
    }

    func cancel() {
        completion = nil
        loginDeadline?.cancel()
        backend.close()
    }

    private func finish(_ outcome: Outcome) {
        guard let completion else { return }
        self.completion = nil
        loginDeadline?.cancel()
        uniqueIDs = []
        sizes = []
        ids = []
        switch outcome {
        case .opened: backend.responseTimeout = settings.times.response
        case .refused, .leftOut: backend.close()
        }
        completion(outcome)
    }

    // MARK: Login

    private func perform(_ step: POP3ServerLogin.Step) {
        switch step {
        case .send(.capa): askCapabilities()
        case .send(let command): send(command)
        case .respond(let message): backend.respond(message)
        case .accepted:
            loginDeadline?.cancel()
            isLoggedIn = true
            readListing()
        case .refused(let words, let challenge): finish(.refused(words, challenge: challenge))
        case .leftOut(let reason): finish(.leftOut(.otherwise, reason))
        }
    }

    private func send(_ command: POP3BackendCommand) {
        var received: POP3Status? = nil
        backend.enqueue(command) { event in
            guard self.completion != nil else { return }
            switch event {
            case .status(let status): received = status
            case .challenge(let octets): self.perform(self.dialogue.received(challenge: octets))
            case .end: if let received { self.perform(self.dialogue.received(received)) }
            case .failed(let failure): self.finish(.leftOut(self.fault(of: failure), failure.description))
            case .line, .body: break
            }
        }
        backend.flush()
    }

    /// At each login, because it costs a round trip less than USER and PASS do where the server has AUTH PLAIN.
    private func askCapabilities() {
        var lines: [String] = []
        backend.enqueue(.capa) { event in
            guard self.completion != nil else { return }
            switch event {
            case .line(let line):
                if lines.count < POP3Limits.capabilities { lines.append(String(buffer: line)) }
            case .end:
                let step = self.dialogue.received(capabilities: lines)
                self.features?.learned(self.server, self.dialogue.capabilities)
                self.perform(step)
            case .failed(let failure): self.finish(.leftOut(self.fault(of: failure), failure.description))
            case .status, .challenge, .body: break
            }
        }
        backend.flush()
    }

    private func fault(of failure: POP3BackendFailure) -> Fault {
        guard !isLoggedIn else { return .otherwise }
        switch failure {
        case .timedOut: return dialogue.hasShownCredentials ? .silent : .unreachable
        // A process that dies of one user's login does not say that the server is down.
        case .closed, .cannotConnect, .violation, .abandoned:
            return dialogue.hasShownCredentials ? .otherwise : .unreachable
        }
    }

    // MARK: Listing

    private func readListing() {
        backend.responseTimeout = settings.times.listing
        collectLines(.uidl) { line in
            guard let line = POP3UniqueIDLine(line), self.uniqueIDs.count < POP3Limits.messages else { return false }
            self.uniqueIDs.append(line)
            return true
        }
        collectLines(.list) { line in
            guard let line = POP3SizeLine(line), self.sizes.count < POP3Limits.messages else { return false }
            self.sizes.append(line)
            return true
        } completion: {
            self.identify()
        }
        backend.flush()
    }

    private func collectLines(
        _ command: POP3BackendCommand, line: @escaping (ByteBuffer) -> Bool, completion: @escaping () -> Void = {}
    ) {
        backend.enqueue(command) { event in
            guard self.completion != nil else { return }
            switch event {
            case .status(let status) where !status.isOK:
                self.finish(.leftOut(.otherwise, "\(command): \(status.words)"))
            case .line(let octets):
                if !line(octets) { self.finish(.leftOut(.otherwise, "the answer to \(command) cannot be understood")) }
            case .end: completion()
            case .failed(let failure): self.finish(.leftOut(.otherwise, failure.description))
            case .status, .challenge, .body: break
            }
        }
    }

    private func identify() {
        guard uniqueIDs.count == sizes.count, zip(uniqueIDs, sizes).allSatisfy({ $0.number == $1.number }) else {
            return finish(.leftOut(.otherwise, "UIDL and LIST name different messages"))
        }
        ids = uniqueIDs.map { UnstampedID.isStamp($0.uniqueID) ? $0.uniqueID : nil }
        for position in ids.indices where ids[position] == nil {
            ids[position] = cache.id(for: cacheKey(position))
        }
        for position in ids.indices where ids[position] == nil { readHeader(position) }
        backend.flush()
        if headersDue == 0 { finishListing() }
    }

    private func cacheKey(_ position: Int) -> UniqueIDCache.Key {
        UniqueIDCache.Key(
            server: settings.servers[server].name, user: login.user, uniqueID: uniqueIDs[position].uniqueID,
            octets: sizes[position].octets)
    }

    private func readHeader(_ position: Int) {
        headersDue += 1
        var header = ByteBuffer()
        var isAvailable = false
        backend.enqueue(.top(uniqueIDs[position].number, lines: 0)) { event in
            guard self.completion != nil else { return }
            switch event {
            case .status(let status): isAvailable = status.isOK
            case .body(var octets):
                if header.readableBytes < POP3Limits.headerSection { header.writeBuffer(&octets) }
            case .challenge, .line: break
            case .end(let headerOctets):
                // A message whose header cannot be read is not shown in this session: any id given to it now would be
                // another one than next time's.
                if isAvailable { self.identify(position, header: header, headerOctets: headerOctets) }
                self.headersDue -= 1
                if self.headersDue == 0 { self.finishListing() }
            case .failed(let failure): self.finish(.leftOut(.otherwise, failure.description))
            }
        }
    }

    private func identify(_ position: Int, header: ByteBuffer, headerOctets: Int) {
        // Dot-stuffing is left in: no field that is looked at begins with a dot.
        let id = UnstampedID.make(
            key: settings.key, header: HeaderFields(header.readableBytesView),
            bodyOctets: sizes[position].octets - headerOctets, server: settings.servers[server].name,
            uniqueID: uniqueIDs[position].uniqueID)
        ids[position] = id
        cache.insert(id, for: cacheKey(position))
    }

    private func finishListing() {
        var messages: [ServerListing.Message] = []
        messages.reserveCapacity(ids.count)
        for (position, id) in ids.enumerated() {
            guard let id else { continue }
            messages.append(
                ServerListing.Message(number: sizes[position].number, id: id, octets: sizes[position].octets))
        }
        finish(.opened(ServerListing(server: server, messages: messages)))
    }
}

extension SocketAddress {
    /// The address as text for XCLIENT and logs: an IPv4 client of a dual-stack listener as IPv4.
    var addressForXCLIENT: String? {
        guard let text = ipAddress else { return nil }
        return text.hasPrefix("::ffff:") && text.contains(".") ? String(text.dropFirst("::ffff:".count)) : text
    }
}
