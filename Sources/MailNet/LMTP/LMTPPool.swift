import CoveyCore
import Glibc
import MailWire
import NIOCore
import NIOPosix

/// The connections of one event loop to one mailbox server: opened as needed, kept for a while, the most recently
/// used taken first, no more than `mostConnections` at once.
///
/// Used on its event loop only.
final class LMTPPool {
    private let settings: LMTPServer.Settings
    private let loop: any EventLoop
    private let mostConnections: Int
    /// Those used longest ago first.
    private var idle: [(connection: LMTPConnection, expiry: NIODeadline)] = []
    private var sweep: Scheduled<Void>?
    /// Connections that are open or being opened.
    private(set) var open = 0
    private var waiting = CircularBuffer<LMTPOrder>()

    init(settings: LMTPServer.Settings, loop: any EventLoop, mostConnections: Int) {
        self.settings = settings
        self.loop = loop
        self.mostConnections = mostConnections
    }

    /// Runs a job on an idle or a new connection; `completion` gets one outcome per envelope recipient, once, not
    /// later than `deadline`.
    func run(
        _ work: LMTPConnection.Job.Work, for envelope: Envelope, deadline: NIODeadline,
        completion: @escaping ([RecipientOutcome]) -> Void
    ) {
        let order = LMTPOrder(work, for: envelope, completion: completion)
        order.bound(
            by: deadline, on: loop, "not done within \(LMTPPool.milliseconds(settings.overallTimeout)) in all")
        guard !start(order) else { return }
        // As long as a connection may take to come up and say something: when none has become free by then, the
        // server is no better than one that is down.
        let patience = settings.connectTimeout + settings.replyTimeout
        order.boundWaiting(
            to: patience, on: loop, "no free connection within \(LMTPPool.milliseconds(patience))")
        waiting.append(order)
    }

    /// Closes the connections that are not in use.
    func quit() {
        let unused = idle
        idle = []
        sweep?.cancel()
        sweep = nil
        for (connection, _) in unused { connection.quit() }
    }

    // MARK: orders

    /// Returns false if there is no connection for the order and may be none.
    private func start(_ order: LMTPOrder) -> Bool {
        if let connection = takeIdle() {
            start(order, on: connection, reused: true)
        } else if open < mostConnections {
            connect(for: order)
        } else {
            return false
        }
        return true
    }

    private func start(_ order: LMTPOrder, on connection: LMTPConnection, reused: Bool) {
        order.connection = connection
        let job = LMTPConnection.Job(envelope: order.envelope, work: order.work) { [unowned connection] result in
            order.connection = nil
            switch result {
            case .outcomes(let outcomes):
                order.complete(outcomes)
                if connection.isIdle { self.keep(connection) }
            case .staleConnection:
                // The server was restarted: the other idle connections are as dead as this one. It has said nothing
                // to this message, so a fresh connection may try.
                self.connect(for: order)
                self.quit()
            }
        }
        connection.start(job, reused: reused)
    }

    private func serveWaiting() {
        while let next = waiting.first {
            if next.isOver || start(next) {
                _ = waiting.popFirst()
            } else {
                return
            }
        }
    }

    // MARK: connections

    private func connect(for order: LMTPOrder) {
        open += 1
        order.isConnecting = true
        connecting().assumeIsolated().whenComplete { result in
            do {
                try self.adopt(result.get(), for: order)
            } catch {
                self.open -= 1
                order.isConnecting = false
                order.giveUp(LMTPPool.describe(error))
                self.serveWaiting()
            }
        }
    }

    private func connecting() -> EventLoopFuture<any Channel> {
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(settings.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.tcpOption(.tcpUserTimeout), value: settings.silenceLimit.socketOptionMilliseconds)
        // An address needs no resolver, which would cost a change of threads.
        if let address = try? SocketAddress(ipAddress: settings.endpoint.host, port: settings.endpoint.port) {
            return bootstrap.connect(to: address)
        }
        return bootstrap.connect(host: settings.endpoint.host, port: settings.endpoint.port)
    }

    /// Makes a connection of a channel that has just come up. Not in the channel's initializer: for a name with
    /// several addresses that runs several times, and the channels that lose the race would be counted.
    private func adopt(_ channel: any Channel, for order: LMTPOrder) throws {
        let connection = LMTPConnection(
            state: LMTPClientState(dialect: settings.dialect, heloName: settings.heloName),
            replyTimeout: settings.replyTimeout
        ) { result in
            order.isConnecting = false
            switch result {
            case .failure(let error):
                order.giveUp(error.reason)
            case .success(let connection):
                if order.isOver {
                    self.keep(connection)
                } else {
                    self.start(order, on: connection, reused: false)
                }
            }
        }
        let hello = LMTPClientState.hello(settings.dialect, settings.heloName)
        let encrypting = try settings.tls?.handlers(host: settings.endpoint.host, .smtp(hello: hello)) ?? []
        try channel.pipeline.syncOperations.addHandlers(
            encrypting + [ByteToMessageHandler(SMTPReplyDecoder()), connection])
        connection.onClose = { self.closed($0) }
    }

    private func takeIdle() -> LMTPConnection? {
        while let (connection, _) = idle.popLast() {
            if connection.isIdle { return connection }
        }
        return nil
    }

    private func keep(_ connection: LMTPConnection) {
        idle.append((connection, .now() + settings.idleTime))
        if sweep == nil { scheduleSweep() }
        serveWaiting()
    }

    /// One timer for all connections, not one started and cancelled for each message.
    private func scheduleSweep() {
        guard let next = idle.first?.expiry else { return }
        sweep = loop.assumeIsolated().scheduleTask(deadline: next) {
            self.sweep = nil
            let now = NIODeadline.now()
            while let (connection, expiry) = self.idle.first, expiry <= now {
                self.idle.removeFirst()
                connection.quit()
            }
            self.scheduleSweep()
        }
    }

    private func closed(_ connection: LMTPConnection) {
        open -= 1
        idle.removeAll { $0.connection === connection }
        serveWaiting()
    }

    // MARK: reasons

    private static func milliseconds(_ time: TimeAmount) -> String { "\(time.nanoseconds / 1_000_000) ms" }

    private static func describe(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { describe($0.error) } ?? "\(error)"
        case ChannelError.connectTimeout(let time):
            "no connection within \(milliseconds(time))"
        case let error as IOError:
            // "Connection refused", in the system's words.
            String(cString: strerror(error.errnoCode))
        default:
            "\(error)"
        }
    }
}
