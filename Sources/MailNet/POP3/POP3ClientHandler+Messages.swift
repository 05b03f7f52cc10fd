internal import CoveyCore
internal import MailWire
internal import NIOCore

/// What the open maildrop is there for: messages sent, and removed at the end.
extension POP3ClientHandler {
    // MARK: Retrieval

    func retrieve(_ message: Int, lines: Int?) {
        guard let maildrop else { return }
        // What was answered so far goes out first: the message is written around `reply`.
        flushReply()
        let copies = CopyOrder.order(
            maildrop.copies(of: message), local: shared.settings.local, load: shared.load.now)
        let sources = copies.compactMap { copy in
            servers.first { $0.index == copy.server }.map {
                POP3Retrieval.Source(
                    server: copy.server, backend: $0.backend, number: copy.number, octets: copy.octets)
            }
        }
        let retrieval = POP3Retrieval(
            sources: sources, lines: lines, load: shared.load,
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
                failOver: { [self] in account.failedOver(from: $0, to: $1) },
                isWritable: { [self] in context?.channel.isWritable ?? true },
                end: { [self] end in
                    if case .complete = end, lines == nil { summary.retrieved += 1 }
                    account.retrievalEnded(end, summary)
                    workDone(session.retrievalEnds(end, reply: &reply), end: .brokenOff)
                }))
        work = .retrieving(retrieval)
        retrieval.start()
    }

    // MARK: Update

    func update(_ marked: [Int]) {
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
            plan: plan, user: user, servers: servers, log: shared.deletionLog, times: shared.settings.times,
            eventLoop: context.eventLoop)
        // From here on the update owns the connections: the client may go.
        servers = []
        update.start { [self] complete in
            if complete { summary.deleted = marked.count }
            summary.journalEntries = update.recorded
            account.updated(deleted: marked.count, isComplete: complete)
            finishUpdate(complete: complete)
        }
    }

    func finishUpdate(complete: Bool) {
        let end: POP3SessionSummary.End = complete ? .quit : .deletionsFailed
        if case .closed = work {
            // The client went after its QUIT: told only now, because only now it is known what became of it.
            summary.end = end
            report()
            return
        }
        workDone(session.updated(complete: complete, reply: &reply), end: end)
    }
}
