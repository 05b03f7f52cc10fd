public import CoveyCore
public import MailWire
public import NIOCore

/// A mailbox server as the hub sees it: copies go in, one outcome per envelope recipient comes out.
///
/// Connections are pooled per event loop; the deliveries are spread over the loops.
public final class LMTPServer: CopyDestination {
    /// What is needed to talk to one server.
    public struct Settings: Sendable {
        public var endpoint: Endpoint
        public var dialect: LMTPClientState.Dialect
        /// The name this host gives itself in LHLO.
        public var heloName: String
        public var connectTimeout: TimeAmount
        /// How long the server may take for each reply.
        public var replyTimeout: TimeAmount
        /// nil: in clear.
        public var tls: ServerTLS?
        /// How long a delivery may take in all, however many replies it needs.
        var overallTimeout = LMTPServer.longestDelivery
        /// How long an idle connection is kept: a process waits behind each one at the server.
        var idleTime = TimeAmount.seconds(15)

        /// How long the server's host may confirm nothing that was sent to it. A third of a reply's time, because a host
        /// that is alive but takes no more octets for the moment shows the same.
        var silenceLimit: TimeAmount { max(connectTimeout, .nanoseconds(replyTimeout.nanoseconds / 3)) }

        public init(
            endpoint: Endpoint, dialect: LMTPClientState.Dialect, heloName: String, connectTimeout: TimeAmount,
            replyTimeout: TimeAmount, tls: ServerTLS? = nil
        ) {
            self.endpoint = endpoint
            self.dialect = dialect
            self.heloName = heloName
            self.connectTimeout = connectTimeout
            self.replyTimeout = replyTimeout
            self.tls = tls
        }
    }

    /// Connections to one server at once, from this process: each is a process at the server, which usually allows 100
    /// (Dovecot's default_process_limit) for all hubs together.
    public static let mostConnections = 40
    /// Envelope recipients in one transaction (design §4.1).
    public static let mostRecipients = 50

    /// A delivery ends after this time, even with a server that gives each reply just in time (design §4.1). The MTA
    /// gives a milter 5 minutes for the end of a message (Sendmail's E=5m, which progress does not extend; Postfix's
    /// milter_content_timeout), and one of them is left for what comes after.
    public static let longestDelivery = TimeAmount.minutes(4)

    public let name: String
    private let overallTimeout: TimeAmount
    private let pools: [NIOLoopBoundBox<LMTPPool>]

    public init(name: String, settings: Settings, group: any EventLoopGroup) {
        self.name = name
        overallTimeout = settings.overallTimeout
        let loops = Array(group.makeIterator()).prefix(LMTPServer.mostConnections)
        let share = max(1, LMTPServer.mostConnections / loops.count)
        pools = loops.map { loop in
            .makeBoxSendingValue(
                LMTPPool(settings: settings, loop: loop, mostConnections: share), eventLoop: loop)
        }
    }

    /// Closes the connections that are not in use. The server can be used on; new ones are opened then.
    public func quit() async {
        for pool in pools {
            await withCheckedContinuation { continuation in
                pool.eventLoop.execute {
                    pool.value.quit()
                    continuation.resume()
                }
            }
        }
    }

    public func deliver(_ message: OutgoingMessage, to envelope: Envelope) async -> [RecipientOutcome] {
        await run(.deliver(message), for: envelope)
    }

    public func probe(_ envelope: Envelope) async -> [RecipientOutcome] {
        await run(.probe, for: envelope)
    }

    private func run(_ work: LMTPConnection.Job.Work, for envelope: Envelope) async -> [RecipientOutcome] {
        // What an address could smuggle in after a line end would be a command of its own.
        guard LMTPServer.isPrintable(envelope.sender) else {
            return envelope.recipients.map { _ in .refused(LMTPServer.badSender, .mail) }
        }
        var sendable = envelope
        sendable.recipients.removeAll { !LMTPServer.isPrintable($0) }
        var answers = await runParts(work, for: sendable).makeIterator()
        return envelope.recipients.map {
            guard LMTPServer.isPrintable($0) else { return .refused(LMTPServer.badRecipient, .recipient) }
            return answers.next() ?? .unreachable("no answer")
        }
    }

    // RFC 3463 §3.2: bad syntax of the destination's and of the sender's address.
    private static let badRecipient = SMTPReply(code: 553, lines: ["5.1.3 control characters in the address"])
    private static let badSender = SMTPReply(code: 553, lines: ["5.1.7 control characters in the sender's address"])

    private static func isPrintable(_ address: String) -> Bool {
        address.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    private func runParts(_ work: LMTPConnection.Job.Work, for envelope: Envelope) async -> [RecipientOutcome] {
        let deadline = NIODeadline.now() + overallTimeout
        var outcomes: [RecipientOutcome] = []
        var rest = envelope.recipients[...]
        while !rest.isEmpty {
            var part = envelope
            part.recipients = Array(rest.prefix(LMTPServer.mostRecipients))
            rest = rest.dropFirst(LMTPServer.mostRecipients)
            outcomes += await runOnce(work, for: part, deadline: deadline)
            // A server that broke down over one part is not asked for the others: each would take as long.
            if let reason = outcomes.lazy.compactMap(\.breakdown).last {
                return outcomes + rest.map { _ in .unreachable(reason) }
            }
        }
        return outcomes
    }

    private func runOnce(
        _ work: LMTPConnection.Job.Work, for envelope: Envelope, deadline: NIODeadline
    ) async -> [RecipientOutcome] {
        // The pool of the loop we are on (see EventLoopExecutor): the message stays on one thread. Elsewhere any pool
        // will do; taking them at random needs no shared counter.
        if let pool = pools.first(where: { $0.eventLoop.inEventLoop }) {
            return await withCheckedContinuation { continuation in
                pool.value.run(work, for: envelope, deadline: deadline) { continuation.resume(returning: $0) }
            }
        }
        let pool = pools[Int.random(in: pools.indices)]
        return await withCheckedContinuation { continuation in
            pool.eventLoop.execute {
                pool.value.run(work, for: envelope, deadline: deadline) { continuation.resume(returning: $0) }
            }
        }
    }
}

extension RecipientOutcome {
    /// Why the server gave no answer, if it gave none.
    fileprivate var breakdown: String? {
        switch self {
        case .accepted, .refused: nil
        case .unreachable(let reason), .unknown(let reason): reason
        }
    }
}
