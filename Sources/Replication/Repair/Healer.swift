public import CoveyCore
public import Logging

/// Healing after login (design §7): what a server has lacked for longer than `heal_after` of its own time up is copied to
/// it from another, after the session of the user who owns it, with that user's login.
///
/// The servers are listed anew and the journal is asked again before anything is stored: the queue of a hub, another
/// proxy or the user may have been there first. A deletion that comes later still hides and removes the copy.
public actor Healer: MaildropHealer {
    /// Copies made for one server after one session: a server that lost more needs `covey resync`.
    static let mostCopies = 100
    /// Sessions that wait for a server's turn. Those beyond it come again at the user's next login.
    static let mostWaiting = 50

    private let stores: [String: any CopyStore]
    private let key: ClusterKey
    private let log: any DeletionLog
    private let logger: Logger
    private let pause: Duration
    private let clock = ContinuousClock()
    private let started: ContinuousClock.Instant
    private var ledger: HealingLedger
    /// For monitoring.
    public private(set) var figures = HealingFigures()
    /// Sessions under way (the first) or waiting, by the server that lacks something: it gets one copy at a time.
    private var turns: [String: [Turn]] = [:]

    private struct Turn {
        var request: HealingRequest
        var ids: [MaildropID]
    }

    /// - Parameters:
    ///   - stores: where copies are put, one per mailbox server.
    ///   - log: knows what was deleted, and how long each server was up.
    ///   - pause: before a maildrop is opened again. Servers that lock it (RFC 1939 §4) need a moment to let go.
    public init(
        stores: [any CopyStore], key: ClusterKey, healAfter: Duration, log: any DeletionLog, logger: Logger,
        pause: Duration = .seconds(1)
    ) {
        self.stores = Dictionary(stores.map { ($0.name, $0) }) { first, _ in first }
        self.key = key
        self.log = log
        self.logger = logger
        self.pause = pause
        started = clock.now
        ledger = HealingLedger(healAfter: healAfter)
    }

    public nonisolated func sessionEnded(_ request: HealingRequest) {
        Task { await self.heal(request) }
    }

    /// As `sessionEnded`; returns when this session's copies are made, or left to a later one.
    public func heal(_ request: HealingRequest) async {
        guard !request.lacking.isEmpty || !ledger.isEmpty else { return }
        let uptime = await log.watchedUptime()
        let due = ledger.note(
            request.user, lacking: request.lacking, asked: request.asked, uptime: uptime,
            now: started.duration(to: clock.now))
        await withDiscardingTaskGroup { group in
            for (server, copies) in Dictionary(grouping: due, by: \.server) {
                let turn = Turn(request: request, ids: Array(copies.map(\.id).prefix(Healer.mostCopies)))
                guard var waiting = turns[server] else {
                    turns[server] = [turn]
                    group.addTask { await self.work(at: server) }
                    continue
                }
                // The same user's sessions come one after the other: the first one's turn does it.
                guard waiting.count < Healer.mostWaiting,
                    !waiting.contains(where: { $0.request.user == request.user })
                else { continue }
                waiting.append(turn)
                turns[server] = waiting
            }
        }
    }

    private func work(at server: String) async {
        while let turn = turns[server]?.first {
            await heal(turn, at: server)
            turns[server]?.removeFirst()
        }
        turns[server] = nil
    }

    // MARK: one user at one server

    private func heal(_ turn: Turn, at server: String) async {
        try? await clock.sleep(for: pause)
        let user = turn.request.user
        let outOfTouch = await log.serversOutOfTouch()
        // What it should hold is for covey resync to find out (design §6).
        guard !outOfTouch.contains(server), let store = stores[server] else { return }
        var sessions: [(name: String, session: any MaildropSession)] = []
        var reasons: [String] = []
        var target: ServerListing?
        for maildrop in turn.request.maildrops where !outOfTouch.contains(maildrop.name) {
            do {
                let session = try await maildrop.open(user)
                if maildrop.name == server {
                    target = session.listing
                    await session.close()
                } else {
                    sessions.append((maildrop.name, session))
                }
            } catch {
                reasons.append("\(maildrop.name): \(error)")
            }
        }
        if let target {
            let held = Set(target.messages.map(\.id))
            for id in turn.ids {
                let copy = LackingCopy(id: id, server: server)
                if held.contains(id) {
                    ledger.done(user, copy)
                } else {
                    await make(copy, user, from: sessions, in: store)
                }
            }
        } else {
            let uptime = await log.watchedUptime()[server] ?? .zero
            figures.failed += turn.ids.count
            for id in turn.ids { ledger.failed(user, LackingCopy(id: id, server: server), uptime: uptime) }
            logger.warning(
                "missing copies not made anew",
                metadata: [
                    "user": "\(user)", "server": "\(server)", "copies": "\(turn.ids.count)",
                    "reason": "\(reasons.joined(separator: "; "))",
                ])
        }
        for entry in sessions { await entry.session.close() }
    }

    private func make(
        _ copy: LackingCopy, _ user: String, from sessions: [(name: String, session: any MaildropSession)],
        in store: any CopyStore
    ) async {
        let holders = sessions.flatMap { entry in
            entry.session.listing.messages.filter { $0.id == copy.id }.prefix(1).map {
                CopyChoice.Holder(server: entry.name, session: entry.session, message: $0)
            }
        }
        // Deleted since, through whatever proxy.
        guard !holders.isEmpty else { return ledger.done(user, copy) }
        let problem: String
        /// Time alone will not mend it.
        var needsOperator = false
        switch await CopyChoice.find(copy.id, in: holders, key: key) {
        case .proven(let octets):
            // Last of all before it is stored: a journal read now knows of every QUIT that was answered.
            guard await !log.deletedIDs(of: user, since: .now).contains(copy.id) else { return ledger.done(user, copy) }
            guard let refusal = await store.store(octets, for: user) else {
                ledger.done(user, copy)
                figures.made += 1
                return logger.notice(
                    "missing copy made anew",
                    metadata: [
                        "user": "\(user)", "unique.id": "\(copy.id)", "server": "\(copy.server)",
                        "from": "\(holders.map(\.server))",
                    ])
            }
            problem = refusal
            needsOperator = true
        case .single:
            problem = "its id does not prove it, and no other server holds a copy to compare it with"
            needsOperator = true
        case .nameless:
            problem = "it has neither stamp nor Message-ID; copy it by hand"
            needsOperator = true
        case .none(let reason): problem = reason
        }
        ledger.failed(user, copy, uptime: await log.watchedUptime()[copy.server] ?? .zero)
        figures.failed += 1
        logger.log(
            level: needsOperator ? .error : .warning, "missing copy not made anew",
            metadata: [
                "user": "\(user)", "unique.id": "\(copy.id)", "server": "\(copy.server)", "reason": "\(problem)",
            ])
    }
}
