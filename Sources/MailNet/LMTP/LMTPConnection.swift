import MailWire
import NIOCore
import NIOSSL

/// One connection to a mailbox server: performs what `LMTPClientState` says.
///
/// Used on its event loop only.
final class LMTPConnection: ChannelInboundHandler {
    typealias InboundIn = SMTPReply
    typealias OutboundOut = ByteBuffer

    /// What to do on the connection, and whom to tell.
    struct Job {
        enum Work: Sendable {
            case deliver(OutgoingMessage)
            case probe
        }
        var envelope: Envelope
        var work: Work
        var completion: (Result) -> Void
    }

    enum Result {
        case outcomes([RecipientOutcome])
        /// A connection that had been kept open turned out dead before the server said anything: the job may be given
        /// to another connection.
        case staleConnection(String)
    }

    /// Pieces in which a body is read and written: large enough to be worth a system call, small enough that many
    /// connections may hold one each.
    private static let pieceSize = 64 * 1024
    /// Pieces written in one go before other connections of the event loop, and early refusals, get their turn.
    private static let piecesPerTurn = 16
    /// Largest message that is sent before the server has answered for the recipients.
    private static let pipelinedMessageSize = 256 * 1024

    private var state: LMTPClientState
    private let replyTimeout: TimeAmount
    /// Set while the handler is in the pipeline of an open connection.
    private var context: ChannelHandlerContext?
    private var deadline: (time: NIODeadline, awaited: StaticString)?
    private var timer: Scheduled<Void>?
    private var ready: ((Swift.Result<LMTPConnection, LMTPConnectionError>) -> Void)?
    private var job: Job?
    private var isReused = false
    private var upload: LMTPUpload?
    private var uploadContinues = false
    /// What to send when everything that the server has said by now was looked at: a further reply that is already
    /// here answers nothing we sent, and taking it for the answer to the next command would shift all verdicts by one.
    private var held: LMTPClientState.Action?
    private var isReading = false
    /// Called once, when the connection can take no more jobs.
    var onClose: ((LMTPConnection) -> Void)?

    /// - Parameter ready: called once, when the connection can take a job or when it is clear that it never will.
    init(
        state: LMTPClientState, replyTimeout: TimeAmount,
        ready: @escaping (Swift.Result<LMTPConnection, LMTPConnectionError>) -> Void
    ) {
        self.state = state
        self.replyTimeout = replyTimeout
        self.ready = ready
    }

    var isIdle: Bool { state.isIdle && job == nil && context?.channel.isActive == true }

    /// Starts a job. The connection must be idle.
    func start(_ job: Job, reused: Bool) {
        self.job = job
        isReused = reused
        switch job.work {
        case .deliver(let message):
            let pipeline = message.length <= LMTPConnection.pipelinedMessageSize
            perform(state.begin(job.envelope, messageLength: message.length, pipelineMessage: pipeline))
        case .probe:
            perform(state.beginProbe(job.envelope))
        }
    }

    /// Closes an idle connection, politely.
    func quit() {
        write(ByteBuffer(string: "QUIT\r\n"), flush: true)
        close()
    }

    /// Ends a job whose time is up; its outcomes go to the completion as ever.
    func abandon(_ reason: String) {
        fail(reason)
    }

    // MARK: events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        armDeadline("the greeting")
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        fail("connection closed", mayBeStale: true)
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let reply = unwrapInboundIn(data)
        isReading = true
        guard held == nil else { return fail("\"\(reply)\" unasked", mayBeStale: true) }
        armDeadline("a reply")
        perform(state.received(reply))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        if let action = held {
            held = nil
            perform(action)
        }
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { continueUpload() }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail("connection closed by the server", mayBeStale: true)
        self.context = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case let error as IOError: fail("connection lost: \(error)", mayBeStale: true)
        case let error as SMTPReplyDecoder.Failure: fail("the server sent \(error)")
        case NIOSSLError.uncleanShutdown: fail(plainText(error), mayBeStale: true)
        default: fail(plainText(error))
        }
    }

    // MARK: actions

    private func perform(_ action: LMTPClientState.Action) {
        switch action {
        case .send where isReading, .sendMessage where isReading:
            held = action
        case .wait:
            break
        case .send(let text):
            write(ByteBuffer(string: text), flush: true)
            armDeadline("a reply")
        case .becomeReady:
            disarmDeadline()
            let whenReady = ready
            ready = nil
            whenReady?(.success(self))
        case .sendMessage(let prefix, let framing):
            guard case .deliver(let message)? = job?.work else {
                preconditionFailure("a probe has no message to send")
            }
            upload = LMTPUpload(message: message, framing: framing)
            if !prefix.isEmpty { write(ByteBuffer(string: prefix), flush: false) }
            armDeadline("a reply")
            continueUpload()
        case .finish(let outcomes, let reusable):
            finish(.outcomes(outcomes), reusable: reusable)
        case .fail(let reason):
            disarmDeadline()
            let whenReady = ready
            ready = nil
            close()
            whenReady?(.failure(LMTPConnectionError(reason: reason)))
        }
    }

    private func finish(_ result: Result, reusable: Bool) {
        disarmDeadline()
        upload = nil
        held = nil
        let completion = job?.completion
        job = nil
        // Told first, closed then: a job that needs another connection shall have the place of this one.
        completion?(result)
        if !reusable { close() }
    }

    /// - Parameter mayBeStale: whether this is how a connection ends that the server closed while it was kept.
    private func fail(_ reason: String, mayBeStale: Bool = false) {
        guard context != nil else { return }
        let stale = mayBeStale && isReused && state.isUnanswered
        let action = state.failed(reason)
        if stale, case .finish = action {
            finish(.staleConnection(reason), reusable: false)
        } else {
            perform(action)
        }
    }

    private func close() {
        let closed = onClose
        onClose = nil
        held = nil
        timer?.cancel()
        timer = nil
        context?.close(promise: nil)
        closed?(self)
    }

    /// Writes the message piece by piece, never more than the channel takes.
    private func continueUpload() {
        // A flush may come back here by way of the writability, or end the connection.
        guard !uploadContinues else { return }
        uploadContinues = true
        let failure = writePieces()
        uploadContinues = false
        if let failure { return fail("the message could not be read: \(failure)") }
        guard let context, let upload else { return }
        armDeadline("the message to be taken")
        if upload.isComplete {
            self.upload = nil
            armDeadline("the reply to the message")
            perform(state.messageSent())
        } else if context.channel.isWritable {
            context.eventLoop.assumeIsolated().execute { [weak self] in self?.continueUpload() }
        }
    }

    /// Writes what the channel takes of the message in one turn. Returns why the message cannot be read, if so.
    private func writePieces() -> (any Error)? {
        var pieces = 0
        do {
            while let context, context.channel.isWritable, pieces < LMTPConnection.piecesPerTurn, upload != nil {
                // As much in one write as the channel takes: a small message goes out together with its commands.
                while context.channel.isWritable, let piece = try upload?.next(most: LMTPConnection.pieceSize) {
                    write(piece, flush: false)
                    pieces += 1
                }
                context.flush()
                if upload?.isComplete == true { break }
            }
        } catch {
            return error
        }
        return nil
    }

    private func write(_ buffer: ByteBuffer, flush: Bool) {
        guard let context else { return }
        if flush {
            context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        } else {
            context.write(wrapOutboundOut(buffer), promise: nil)
        }
    }

    // MARK: deadline

    /// Moves the deadline. The timer stays where it is and looks when it goes off: a deadline is moved several times for
    /// each message, and a timer costs more than most of what it guards.
    private func armDeadline(_ awaited: StaticString) {
        guard let context else { return }
        let time = NIODeadline.now() + replyTimeout
        deadline = (time, awaited)
        if timer == nil { startTimer(context.eventLoop, time) }
    }

    private func startTimer(_ loop: any EventLoop, _ time: NIODeadline) {
        timer = loop.assumeIsolated().scheduleTask(deadline: time) { [weak self] in self?.timerWentOff() }
    }

    private func timerWentOff() {
        timer = nil
        guard let deadline, let context else { return }
        guard deadline.time <= .now() else { return startTimer(context.eventLoop, deadline.time) }
        fail("timed out after \(replyTimeout.nanoseconds / 1_000_000) ms waiting for \(deadline.awaited)")
    }

    private func disarmDeadline() {
        deadline = nil
    }
}

/// Why a connection could not be used.
struct LMTPConnectionError: Error, CustomStringConvertible {
    var reason: String
    var description: String { reason }
}
