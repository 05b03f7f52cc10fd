internal import CoveyCore
internal import MailWire
internal import NIOCore

/// Opens one user's maildrop on one mailbox server: connect, log in, read what is there.
///
/// Ends with exactly one `Outcome`. `cancel` ends it without one.
final class POP3ServerOpening {
    enum Outcome {
        case opened(ServerListing)
        /// The server refuses the credentials; with its words.
        case refused(String)
        /// The server cannot be used now; with the reason.
        case leftOut(Fault, String)
    }

    enum Fault {
        /// It is down, or did not even answer USER.
        case unreachable
        /// It was sent the password and did not answer in time.
        case silent
        case otherwise
    }

    struct Login {
        /// Mailbox address.
        let user: String
        let password: POP3Password
        let client: SocketAddress?
    }

    let server: Int
    let backend: POP3Backend
    private let settings: POP3ProxySettings
    private let cache: UniqueIDCache
    private let login: Login
    private let eventLoop: any EventLoop
    private var completion: ((Outcome) -> Void)?
    private var loginDeadline: Scheduled<Void>?
    /// What it means if nothing comes any more.
    private var faultOfSilence = Fault.unreachable

    private var uniqueIDs: [POP3UniqueIDLine] = []
    private var sizes: [POP3SizeLine] = []
    /// Ids by position in `uniqueIDs`; nil where still unknown.
    private var ids: [MaildropID?] = []
    private var headersDue = 0

    init(server: Int, login: Login, settings: POP3ProxySettings, cache: UniqueIDCache, eventLoop: any EventLoop) {
        self.server = server
        self.login = login
        self.settings = settings
        self.cache = cache
        self.eventLoop = eventLoop
        self.backend = POP3Backend(eventLoop: eventLoop, responseTimeout: settings.times.response)
    }

    func start(_ completion: @escaping (Outcome) -> Void) {
        self.completion = completion
        loginDeadline = eventLoop.assumeIsolated().scheduleTask(in: settings.times.login) {
            self.finish(.leftOut(self.faultOfSilence, "login took longer than login_timeout"))
        }
        let greeting = POP3Backend.statusReceiver { result in
            switch result {
            case .success(let status) where status.isOK: self.authenticate(greeting: status)
            case .success(let status): self.finish(.leftOut(.otherwise, "greeting: \(POP3ServerOpening.words(status))"))
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

    /// One command at a time: Dovecot answers commands that are pipelined before login in several small writes, and with
    /// Nagle's algorithm there and delayed acknowledgements here that costs 40 ms.
    private func authenticate(greeting: POP3Status) {
        // Facts 19: a Dovecot that trusts us shows it in the banner; another takes XCLIENT for nothing.
        guard greeting.code?.hasPrefix("XCLIENT") ?? false, let address = login.client?.addressForXCLIENT,
            let port = login.client?.port
        else { return sendUser() }
        backend.enqueueForStatus(.xclient(address: address, port: port)) { result in
            // A refusal of XCLIENT is no reason to lock the user out.
            switch result {
            case .success: self.sendUser()
            case .failure(let failure): self.finish(.leftOut(.unreachable, failure.description))
            }
        }
        backend.flush()
    }

    private func sendUser() {
        backend.enqueueForStatus(.user(login.user)) { result in
            guard self.accepted(result) else { return }
            self.faultOfSilence = .silent
            self.sendPassword()
        }
        backend.flush()
    }

    private func sendPassword() {
        backend.enqueueForStatus(.pass(login.password)) { result in
            guard self.accepted(result) else { return }
            self.loginDeadline?.cancel()
            self.faultOfSilence = .otherwise
            self.readListing()
        }
        backend.flush()
    }

    private func accepted(_ result: Result<POP3Status, POP3BackendFailure>) -> Bool {
        switch result {
        case .success(let status) where status.isOK: return completion != nil
        case .success(let status) where status.isTemporary:
            finish(.leftOut(.otherwise, POP3ServerOpening.words(status)))
        case .success(let status): finish(.refused(POP3ServerOpening.words(status)))
        case .failure(let failure): finish(.leftOut(fault(of: failure), failure.description))
        }
        return false
    }

    private func fault(of failure: POP3BackendFailure) -> Fault {
        switch failure {
        case .timedOut: faultOfSilence
        // A process that dies of one user's login does not say that the server is down.
        case .closed, .cannotConnect, .violation, .abandoned:
            faultOfSilence == .unreachable ? .unreachable : .otherwise
        }
    }

    private static func words(_ status: POP3Status) -> String {
        status.code.map { "[\($0)] \(status.text)" } ?? status.text
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
                self.finish(.leftOut(.otherwise, "\(command): \(POP3ServerOpening.words(status))"))
            case .line(let octets):
                if !line(octets) { self.finish(.leftOut(.otherwise, "the answer to \(command) cannot be understood")) }
            case .end: completion()
            case .failed(let failure): self.finish(.leftOut(.otherwise, failure.description))
            case .status, .body: break
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
            case .line: break
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
