internal import CoveyCore
internal import Logging
internal import MailWire
internal import NIOCore

/// What all sessions of one proxy share.
struct POP3Shared: Sendable {
    let settings: POP3ProxySettings
    let cache: UniqueIDCache
    let health: POP3ServerHealth
    let features: POP3ServerFeatures
    let deletionLog: any DeletionLog
    let logger: Logger
}

/// One mail program's connection: ties `POP3Session` to the client's channel and to the mailbox servers.
///
/// One command at a time; what the client pipelines waits in a bounded buffer. All connections of the session are on the
/// client's event loop.
final class POP3ClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Octets of unread commands beyond which nothing more is read from the client.
    private static let inboundLimit = 16 * 1_024

    /// How long a client may take to fetch what was sent to it before its session ended.
    private static let lastWordsLimit = TimeAmount.seconds(30)

    /// Sent through the pipeline: end the session if it has not logged in yet.
    enum Signal: Sendable { case drain }

    /// What is under way, started by a command.
    private enum Work {
        case none
        case opening(POP3MaildropOpening)
        case retrieving(POP3Retrieval)
        case updating
        case closed
    }

    private let shared: POP3Shared
    private var session = POP3Session()
    private var decoder = POP3CommandLineDecoder()
    private var inbound = ByteBuffer()
    private var reply = ByteBuffer()
    private var work = Work.none
    private var isTakingCommands = false
    private var isReading = true
    private var context: ChannelHandlerContext?

    private var maildrop: MergedMaildrop?
    private var servers: [POP3SessionServer] = []
    private var lastActivity = NIODeadline.now()
    private var watch: Scheduled<Void>?
    private var summary = POP3SessionSummary(client: "")

    init(shared: POP3Shared) {
        self.shared = shared
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        summary.client = context.remoteAddress?.addressForXCLIENT ?? "unknown"
        session.offer = shared.features.offer(health: shared.health)
        session.greet(reply: &reply)
        flushReply()
        watchActivity()
    }

    func channelInactive(context: ChannelHandlerContext) {
        over(.clientClosed)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        close(.clientClosed)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .closed = work { return }
        var received = unwrapInboundIn(data)
        if inbound.readableBytes == 0 {
            inbound = received
        } else {
            inbound.writeBuffer(&received)
        }
        takeCommands()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return }
        lastActivity = .now()
        if case .retrieving(let retrieval) = work { retrieval.resume() }
        takeCommands()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is Signal else { return context.fireUserInboundEventTriggered(event) }
        if !session.isInTransaction, case .none = work { close(.shutDown) }
    }

    // MARK: Commands

    /// Takes commands off the buffer until one needs work, the client takes no more replies, or there are no more.
    private func takeCommands() {
        // A command whose work is done at once comes back here: the loop outside goes on.
        guard !isTakingCommands else { return }
        isTakingCommands = true
        while case .none = work, context?.channel.isWritable ?? false,
            let line = decoder.next(from: &inbound, isInExchange: session.isInExchange)
        {
            lastActivity = .now()
            perform(session.receive(line, reply: &reply))
            if reply.readableBytes >= POP3ClientHandler.inboundLimit { flushReply() }
        }
        isTakingCommands = false
        flushReply()
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
        setReading(inbound.readableBytes <= POP3ClientHandler.inboundLimit)
    }

    private func setReading(_ reading: Bool) {
        guard reading != isReading, let context else { return }
        isReading = reading
        try? context.channel.syncOptions?.setOption(.autoRead, value: reading)
    }

    private func perform(_ action: POP3Session.Action) {
        switch action {
        case .proceed: break
        case .end: close(.dismissed)
        case .logIn(let credentials): logIn(credentials)
        case .retrieve(let message, let lines): retrieve(message, lines: lines)
        case .update(let marked): update(marked)
        }
    }

    /// The work of a command is done.
    private func workDone(_ action: POP3Session.Action, end: POP3SessionSummary.End = .dismissed) {
        if case .closed = work { return }
        work = .none
        if case .end = action {
            close(end)
        } else {
            takeCommands()
        }
    }

    private func flushReply() {
        guard reply.readableBytes > 0, let context else { return }
        context.writeAndFlush(wrapOutboundOut(reply), promise: nil)
        reply = ByteBuffer()
    }

    // MARK: Login

    private func logIn(_ credentials: POP3Credentials) {
        guard let context else { return }
        let mailbox = LoginName.mailbox(for: credentials.user, defaultDomain: shared.settings.defaultDomain)
        summary.user = mailbox
        let opening = POP3MaildropOpening(
            login: .init(
                credentials: credentials.named(mailbox), client: context.remoteAddress, wantsUTF8: session.wantsUTF8),
            shared: shared, eventLoop: context.eventLoop)
        work = .opening(opening)
        opening.start { [self] outcome in
            lastActivity = .now()
            summary.leftOut = opening.leftOut
            switch outcome {
            case .opened(let maildrop, let servers):
                self.maildrop = maildrop
                self.servers = servers
                summary.messages = maildrop.count
                summary.withheld = maildrop.withheldCount
                summary.servers = servers.map { shared.settings.servers[$0.index].name }
                let messages = (0..<maildrop.count).map {
                    POP3Session.Message(uniqueID: maildrop.ids[$0], octets: maildrop.octets(of: $0))
                }
                workDone(session.loggedIn(messages, reply: &reply))
            case .refused(let challenge):
                summary.refusedLogins += 1
                workDone(session.loginFailed(.refused(challenge: challenge), reply: &reply))
            case .unavailable:
                shared.logger.warning(
                    "No mailbox server can be reached for a login",
                    metadata: ["servers.left_out": "\(opening.leftOut.map { "\($0.server): \($0.reason)" })"])
                workDone(session.loginFailed(.unavailable, reply: &reply))
            }
        }
    }

    // MARK: Retrieval

    private func retrieve(_ message: Int, lines: Int?) {
        guard let maildrop else { return }
        // What was answered so far goes out first: the message is written around `reply`.
        flushReply()
        let sources = maildrop.copies(of: message).compactMap { copy in
            servers.first { $0.index == copy.server }.map {
                POP3Retrieval.Source(backend: $0.backend, number: copy.number, octets: copy.octets)
            }
        }
        let retrieval = POP3Retrieval(
            sources: sources, lines: lines,
            client: .init(
                begin: { [self] octets in
                    guard let context else { return }
                    session.retrievalBegins(octets: octets, reply: &reply)
                    context.write(wrapOutboundOut(reply), promise: nil)
                    reply = ByteBuffer()
                },
                write: { [self] octets in
                    guard let context else { return }
                    lastActivity = .now()
                    summary.octets += octets.readableBytes
                    context.write(wrapOutboundOut(octets), promise: nil)
                },
                flush: { [self] in context?.flush() },
                isWritable: { [self] in context?.channel.isWritable ?? true },
                end: { [self] end in
                    if case .complete = end, lines == nil { summary.retrieved += 1 }
                    workDone(session.retrievalEnds(end, reply: &reply), end: .brokenOff)
                }))
        work = .retrieving(retrieval)
        retrieval.start()
    }

    // MARK: Update

    private func update(_ marked: [Int]) {
        guard let context, let maildrop, let user = summary.user else { return }
        work = .updating
        let alive = Set(servers.filter { $0.backend.isAlive }.map(\.index))
        let plan = DeletionPlan(
            maildrop: maildrop, marked: marked, servers: shared.settings.servers.indices, alive: alive)
        guard !marked.isEmpty else {
            for server in servers {
                // Deleted earlier and on record: nobody waits for it.
                for number in plan.numbers[server.index] ?? [] {
                    server.backend.enqueueForStatus(.dele(number)) { _ in }
                }
                server.backend.quit(within: shared.settings.times.login)
            }
            servers = []
            return workDone(session.updated(complete: true, reply: &reply), end: .quit)
        }
        let update = POP3Update(
            plan: plan, user: user, servers: servers, log: shared.deletionLog, limit: shared.settings.times.update,
            eventLoop: context.eventLoop)
        // From here on the update owns the connections: the client may go.
        servers = []
        update.start { [self] complete in
            if complete { summary.deleted = marked.count }
            finishUpdate(complete: complete)
        }
    }

    private func finishUpdate(complete: Bool) {
        let end: POP3SessionSummary.End = complete ? .quit : .deletionsFailed
        if case .closed = work {
            // The client went after its QUIT: told only now, because only now it is known what became of it.
            summary.end = end
            summary.log(to: shared.logger)
            return
        }
        workDone(session.updated(complete: complete, reply: &reply), end: end)
    }

    // MARK: End

    private func close(_ end: POP3SessionSummary.End) {
        guard let context else { return }
        over(end)
        // After the last octet, or when the client takes no more of what it was sent.
        let limit = context.eventLoop.assumeIsolated().scheduleTask(in: POP3ClientHandler.lastWordsLimit) {
            self.context?.close(promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(reply)).assumeIsolated().whenComplete { _ in
            limit.cancel()
            self.context?.close(promise: nil)
        }
        reply = ByteBuffer()
    }

    /// The session is over, however: the servers' connections close without QUIT, so that nothing is removed.
    private func over(_ end: POP3SessionSummary.End) {
        if case .closed = work { return }
        let last = work
        work = .closed
        watch?.cancel()
        watch = nil
        inbound = ByteBuffer()
        if case .opening(let opening) = last { opening.cancel() }
        if case .retrieving(let retrieval) = last { retrieval.cancel() }
        for server in servers { server.backend.close() }
        servers = []
        maildrop = nil
        if case .updating = last, end == .clientClosed { return }
        summary.end = end
        summary.log(to: shared.logger)
    }

    // MARK: Time

    private func watchActivity() {
        let times = shared.settings.times
        let limit = session.isInTransaction ? times.inactivity : times.beforeLogin
        let remaining = lastActivity + limit - .now()
        guard remaining > .zero else {
            if case .none = work { _ = session.timedOut(reply: &reply) }
            return close(.inactive)
        }
        // Before login the limit is the shorter one, so the watch never sleeps past the end of either.
        let wait = min(remaining, times.keepAlive, times.beforeLogin)
        watch = context?.eventLoop.assumeIsolated().scheduleTask(in: wait) { [self] in
            keepServersAlive()
            switch work {
            case .opening, .updating: lastActivity = .now()  // the client waits for us
            case .none, .retrieving, .closed: break
            }
            watchActivity()
        }
    }

    private func keepServersAlive() {
        let due = NIODeadline.now() - shared.settings.times.keepAlive
        for server in servers where server.backend.isIdle && server.backend.lastCommand <= due {
            server.backend.enqueueForStatus(.noop) { _ in }
            server.backend.flush()
        }
    }
}
