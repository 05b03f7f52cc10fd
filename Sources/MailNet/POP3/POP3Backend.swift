internal import CoveyCore
internal import MailWire
internal import NIOCore
internal import NIOPosix

/// Why a connection to a mailbox server is of no more use.
enum POP3BackendFailure: Error, CustomStringConvertible {
    case cannotConnect(String)
    /// The server closed; with what it said last, if it said something.
    case closed(String?)
    case timedOut
    case violation(POP3ResponseError)
    /// We closed it.
    case abandoned

    var description: String {
        switch self {
        case .cannotConnect(let reason): "cannot connect: \(reason)"
        case .closed(nil): "the server closed the connection"
        case .closed(let last?): "the server closed the connection: \(last)"
        case .timedOut: "the server did not answer in time"
        case .violation(let error): error.description
        case .abandoned: "closed by the proxy"
        }
    }
}

/// One connection to one mailbox server: a queue of pipelined commands, each with a receiver of its response.
///
/// All on one event loop, the client's. It reads whatever comes while it writes (facts 19), except while its session
/// has stopped it because the client takes no more.
final class POP3Backend: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Event {
        case status(POP3Status)
        /// The server asks for the next message of an exchange: `respond`.
        case challenge(ByteBuffer)
        case line(ByteBuffer)
        case body(ByteBuffer)
        /// The response is complete; `octets` of a body, without dot-stuffing.
        case end(octets: Int)
        /// No more comes, now or ever. The last event.
        case failed(POP3BackendFailure)
    }

    typealias Receiver = (Event) -> Void

    private struct Pending {
        let shape: POP3ResponseShape
        let receiver: Receiver
    }

    private let eventLoop: any EventLoop
    /// Silence allowed while an answer is due.
    var responseTimeout: TimeAmount {
        didSet {
            watch?.cancel()
            watch = nil
            watchProgress()
        }
    }
    /// Called when everything that could be read at once was read.
    var readComplete: (() -> Void)?

    private(set) var failure: POP3BackendFailure?
    private var context: ChannelHandlerContext?
    private var queue = CircularBuffer<Pending>(initialCapacity: 4)
    private var decoder = POP3ResponseDecoder()
    private var inbound = ByteBuffer()
    private var outbound = ByteBuffer()
    private var isReading = true
    private var lastProgress: NIODeadline
    private var watch: Scheduled<Void>?

    /// When the last command was sent.
    private(set) var lastCommand: NIODeadline

    init(eventLoop: any EventLoop, responseTimeout: TimeAmount) {
        self.eventLoop = eventLoop
        self.responseTimeout = responseTimeout
        self.lastProgress = .now()
        self.lastCommand = .now()
    }

    var isAlive: Bool { failure == nil }
    var isIdle: Bool { failure == nil && queue.isEmpty }

    /// Connects. Commands may be queued at once; `greeting` gets the server's first line.
    func open(
        _ endpoint: Endpoint, tls: ServerTLS?, connectTimeout: TimeAmount, greeting: @escaping Receiver
    ) {
        queue.append(Pending(shape: .status, receiver: greeting))
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.tcpOption(.tcpUserTimeout), value: connectTimeout.socketOptionMilliseconds)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.recvAllocator, value: ReceiveBuffers())
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let encrypting = try tls?.handlers(host: endpoint.host, .pop3) ?? []
                    try channel.pipeline.syncOperations.addHandlers(encrypting + [bound.value])
                }
            }
        let connecting: EventLoopFuture<any Channel>
        if let address = try? SocketAddress(ipAddress: endpoint.host, port: endpoint.port) {
            connecting = bootstrap.connect(to: address)
        } else {
            connecting = bootstrap.connect(host: endpoint.host, port: endpoint.port)
        }
        connecting.assumeIsolated().whenFailure { error in
            self.fail(.cannotConnect(plainText(error)))
        }
        watchProgress()
    }

    /// Queues a command; `flush` sends what is queued. On a dead connection the receiver fails at once.
    func enqueue(_ command: POP3BackendCommand, _ receiver: @escaping Receiver) {
        if let failure {
            receiver(.failed(failure))
            return
        }
        if queue.isEmpty { lastProgress = .now() }
        queue.append(Pending(shape: command.shape, receiver: receiver))
        command.write(to: &outbound)
    }

    /// Sends a line of the exchange that is under way; its answer goes to the same receiver.
    func respond(_ message: POP3Password) {
        outbound.writeBytes(message.octets)
        outbound.writeString("\r\n")
        flush()
    }

    func flush() {
        guard let context, failure == nil, outbound.readableBytes > 0 else { return }
        lastCommand = .now()
        context.writeAndFlush(wrapOutboundOut(outbound), promise: nil)
        outbound = ByteBuffer()
        watchProgress()
    }

    /// Stops or resumes reading; silence does not count while stopped.
    func setReading(_ reading: Bool) {
        guard reading != isReading, failure == nil, let context else { return }
        isReading = reading
        lastProgress = .now()
        try? context.channel.syncOptions?.setOption(.autoRead, value: reading)
    }

    /// Closes without QUIT: the server removes nothing (RFC 1939 §6).
    func close() {
        fail(.abandoned)
    }

    /// Sends QUIT and closes when the answer is there, or at the latest after `limit`.
    func quit(within limit: TimeAmount) {
        responseTimeout = limit
        enqueue(.quit) { event in
            if case .end = event { self.close() }
        }
        flush()
    }

    private func fail(_ reason: POP3BackendFailure) {
        guard failure == nil else { return }
        failure = reason
        watch?.cancel()
        watch = nil
        readComplete = nil
        context?.close(promise: nil)
        let pending = queue
        queue = CircularBuffer(initialCapacity: 0)
        inbound = ByteBuffer()
        outbound = ByteBuffer()
        for command in pending { command.receiver(.failed(reason)) }
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        guard failure == nil else { return context.close(promise: nil) }
        flush()
    }

    func channelInactive(context: ChannelHandlerContext) {
        let last = POP3Backend.lastWords(inbound)
        fail(.closed(last))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(.closed(plainText(error)))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard failure == nil else { return }
        lastProgress = .now()
        var received = unwrapInboundIn(data)
        if inbound.readableBytes == 0 {
            inbound = received
        } else {
            inbound.writeBuffer(&received)
        }
        decode()
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        readComplete?()
    }

    private func decode() {
        while failure == nil {
            if decoder.isIdle {
                guard let head = queue.first else {
                    // A server that closes for its own reasons says so first; nothing else may come unasked.
                    if inbound.readableBytes > 0 { fail(.closed(POP3Backend.lastWords(inbound))) }
                    return
                }
                guard inbound.readableBytes > 0 else { return }
                decoder.expect(head.shape)
            }
            do throws(POP3ResponseError) {
                guard let part = try decoder.next(from: &inbound) else { return }
                switch part {
                case .status(let status): queue.first?.receiver(.status(status))
                case .challenge(let octets): queue.first?.receiver(.challenge(octets))
                case .line(let line): queue.first?.receiver(.line(line))
                case .body(let octets): queue.first?.receiver(.body(octets))
                case .end(let octets):
                    let done = queue.removeFirst()
                    done.receiver(.end(octets: octets))
                }
            } catch {
                fail(.violation(error))
            }
        }
    }

    /// A server's last line as printable text.
    private static func lastWords(_ buffer: ByteBuffer) -> String? {
        let line = buffer.readableBytesView.prefix { $0 != 0x0d && $0 != 0x0a }.prefix(200)
        guard !line.isEmpty else { return nil }
        return String(decoding: line.map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }

    // MARK: Deadline

    /// One task watches over all commands: it is not renewed for each of them.
    private func watchProgress() {
        guard watch == nil, failure == nil, !queue.isEmpty else { return }
        scheduleWatch(at: lastProgress + responseTimeout)
    }

    private func scheduleWatch(at deadline: NIODeadline) {
        watch = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.watch = nil
            guard self.failure == nil, !self.queue.isEmpty else { return }
            if !self.isReading { self.lastProgress = .now() }
            let due = self.lastProgress + self.responseTimeout
            if due <= .now() {
                self.fail(.timedOut)
            } else {
                self.scheduleWatch(at: due)
            }
        }
    }
}

extension POP3Backend {
    /// Queues a command whose response is one line.
    func enqueueForStatus(
        _ command: POP3BackendCommand, _ completion: @escaping (Result<POP3Status, POP3BackendFailure>) -> Void
    ) {
        enqueue(command, POP3Backend.statusReceiver(completion))
    }

    static func statusReceiver(
        _ completion: @escaping (Result<POP3Status, POP3BackendFailure>) -> Void
    ) -> Receiver {
        var received: POP3Status? = nil
        return { event in
            switch event {
            case .status(let status): received = status
            case .end: if let received { completion(.success(received)) }
            case .failed(let failure): completion(.failure(failure))
            case .challenge, .line, .body: break
            }
        }
    }
}
