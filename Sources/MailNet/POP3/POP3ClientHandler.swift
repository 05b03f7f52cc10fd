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
    let load: POP3ServerLoad
    let deletionLog: any DeletionLog
    let healer: any MaildropHealer
    let limits: ClientLimits
    let statistics: ProxyStatistics
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
    enum Work {
        case none
        /// Waiting to be allowed to log in.
        case delaying(Scheduled<Void>)
        case opening(POP3MaildropOpening)
        case retrieving(POP3Retrieval)
        case updating
        case closed
    }

    let shared: POP3Shared
    let origin: ClientOrigin
    var session: POP3Session
    private var decoder = POP3CommandLineDecoder()
    private var inbound = ByteBuffer()
    var reply = ByteBuffer()
    var work = Work.none
    private var isTakingCommands = false
    private var isReading = true
    var context: ChannelHandlerContext?

    var maildrop: MergedMaildrop?
    /// For the healer, when the session is over.
    var healing: HealingRequest?
    var servers: [POP3SessionServer] = []
    var lastActivity = NIODeadline.now()
    var watch: Scheduled<Void>?
    var summary: POP3SessionSummary
    var account: SessionAccount

    /// - Parameter tls: `.active` where TLS has begun with the connection.
    init(shared: POP3Shared, origin: ClientOrigin, tls: POP3Session.TLS) {
        self.shared = shared
        self.origin = origin
        session = POP3Session(tls: tls)
        summary = POP3SessionSummary(client: origin.address?.addressForXCLIENT ?? "unknown")
        if tls == .active { summary.tls = "implicit" }
        account = SessionAccount(shared)
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // Behind a PROXY header the connection is there before its session.
        if context.channel.isActive { begin() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        begin()
    }

    private func begin() {
        session.offer = shared.features.offer(health: shared.health)
        session.greet(reply: &reply)
        flushReply()
        watchActivity()
    }

    func channelInactive(context: ChannelHandlerContext) {
        over(.clientClosed)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let reason = tlsFault(error) { summary.fault = reason }
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
        case .startTLS: startTLS()
        case .retrieve(let message, let lines): retrieve(message, lines: lines)
        case .update(let marked): update(marked)
        }
    }

    private func startTLS() {
        // What came in clear behind the command would pass for the first thing said under TLS, whoever put it there
        // (CVE-2011-0411): an honest client waits for the answer (RFC 2595 §4).
        guard inbound.readableBytes == 0, let context, let tls = shared.settings.clientTLS else {
            reply = ByteBuffer()
            return close(.injected)
        }
        flushReply()
        summary.tls = "stls"
        do {
            try context.pipeline.syncOperations.addHandlers(tls.handlers(), position: .first)
        } catch {
            close(.clientClosed)
        }
    }

    /// The work of a command is done.
    func workDone(_ action: POP3Session.Action, end: POP3SessionSummary.End = .dismissed) {
        if case .closed = work { return }
        work = .none
        if case .end = action {
            close(end)
        } else {
            takeCommands()
        }
    }

    func flushReply() {
        guard reply.readableBytes > 0, let context else { return }
        context.writeAndFlush(wrapOutboundOut(reply), promise: nil)
        reply = ByteBuffer()
    }

    // MARK: End

    func close(_ end: POP3SessionSummary.End) {
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
        if case .delaying(let task) = last { task.cancel() }
        if case .opening(let opening) = last { opening.cancel() }
        if case .retrieving(let retrieval) = last { retrieval.cancel() }
        for server in servers { server.backend.close() }
        servers = []
        if let maildrop { FreedMemory.giveBack(after: maildrop.count) }
        maildrop = nil
        if case .updating = last, end == .clientClosed { return }
        summary.end = end
        report()
    }

    /// All is done: no connection of this session is at work any more.
    func report() {
        summary.log(to: shared.logger)
        account.ended(summary)
        if let healing { shared.healer.sessionEnded(healing) }
        healing = nil
    }
}
