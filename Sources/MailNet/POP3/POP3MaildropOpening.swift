internal import CoveyCore
internal import MailWire
internal import NIOCore

/// A server's part in a session.
struct POP3SessionServer {
    /// Index in the configuration.
    let index: Int
    let backend: POP3Backend
}

/// Logs one user in at all mailbox servers at once and merges what they hold (design §5).
final class POP3MaildropOpening {
    enum Outcome {
        case opened(MergedMaildrop, [POP3SessionServer])
        /// With what a server told about a token.
        case refused(challenge: [UInt8]?)
        case unavailable
    }

    private let settings: POP3ProxySettings
    private let health: POP3ServerHealth
    private let openings: [POP3ServerOpening]
    private var answers: [LoginVerdict.Answer]
    private var listings: [ServerListing] = []
    /// Servers that did not say in time whether the password is right, and why.
    private var silent: [(server: Int, reason: String)] = []
    /// Ids that the journal names for the user; nil until it has answered.
    private var deleted: Set<MaildropID>?
    /// Whether the journal was asked again after the servers had told what they hold.
    private var isLogFresh = false
    private var outOfTouch: Set<Int> = []
    private var challenge: [UInt8]?
    private var completion: ((Outcome) -> Void)?
    /// Server name and reason, for those that are not part of the session, and for those that refused.
    private(set) var leftOut: [(server: String, reason: String)] = []

    private let eventLoop: any EventLoop
    private let user: String
    private let started: ContinuousClock.Instant
    private let deletionLog: any DeletionLog

    init(
        login: POP3ServerOpening.Login, shared: POP3Shared, eventLoop: any EventLoop
    ) {
        let settings = shared.settings
        self.settings = settings
        self.health = shared.health
        self.eventLoop = eventLoop
        self.user = login.user
        self.started = login.started
        self.deletionLog = shared.deletionLog
        self.openings = settings.servers.indices.map {
            POP3ServerOpening(
                server: $0, login: login, settings: settings, cache: shared.cache, features: shared.features,
                eventLoop: eventLoop)
        }
        self.answers = Array(repeating: .pending, count: settings.servers.count)
    }

    func start(_ completion: @escaping (Outcome) -> Void) {
        self.completion = completion
        askLog(since: nil)
        for opening in openings {
            if health.isSkipped(opening.server) {
                answered(opening.server, .leftOut(.otherwise, "skipped: it could not be reached before"))
            } else {
                opening.start { outcome in
                    self.noteHealth(opening.server, outcome)
                    self.answered(opening.server, outcome)
                }
            }
        }
    }

    private func askLog(since: ContinuousClock.Instant?) {
        let (log, user) = (deletionLog, user)
        deleted = nil
        eventLoop.makeFutureWithTask { (await log.deletedIDs(of: user, since: since), await log.serversOutOfTouch()) }
            .assumeIsolated().whenSuccess { deleted, outOfTouch in
                self.deleted = deleted
                self.outOfTouch = Set(
                    self.settings.servers.indices.filter { outOfTouch.contains(self.settings.servers[$0].name) })
                self.decide()
            }
    }

    /// Closes all connections; no outcome comes any more.
    func cancel() {
        completion = nil
        for opening in openings { opening.cancel() }
    }

    private func answered(_ server: Int, _ outcome: POP3ServerOpening.Outcome) {
        switch outcome {
        case .opened(let listing):
            answers[server] = .accepted
            listings.append(listing)
        case .refused(let words, let challenge):
            return judgeRefusal(server, words, challenge)
        case .leftOut(_, let reason):
            answers[server] = .leftOut
            leftOut.append((settings.servers[server].name, reason))
        }
        decide()
    }

    /// A server that refuses the journal's login as well is sick: its refusal locks nobody out.
    private func judgeRefusal(_ server: Int, _ words: String, _ challenge: [UInt8]?) {
        let (log, started, name) = (deletionLog, started, settings.servers[server].name)
        eventLoop.makeFutureWithTask { await log.isLoginRefused(at: name, since: started) }
            .assumeIsolated().whenSuccess { isSick in
                self.answers[server] = isSick ? .leftOut : .refused
                if !isSick { self.challenge = self.challenge ?? challenge }
                self.leftOut.append(
                    (name, isSick ? "sick: it refuses the journal's login too: \(words)" : "refused: \(words)"))
                self.decide()
            }
    }

    private func noteHealth(_ server: Int, _ outcome: POP3ServerOpening.Outcome) {
        switch outcome {
        case .opened, .refused: health.answered(server)
        case .leftOut(.unreachable, let reason): health.failed(server, reason: reason)
        case .leftOut(.silent, let reason): silent.append((server, reason))
        case .leftOut(.otherwise, _): break
        }
    }

    private func decide() {
        guard completion != nil else { return }
        switch LoginVerdict(answers, auth: settings.auth) {
        case .undecided: break
        case .refused: finish(.refused(challenge: challenge))
        case .unavailable: finish(.unavailable)
        case .accepted:
            guard let deleted else { return }
            let maildrop = MergedMaildrop(
                listings: listings, preference: settings.preference, deleted: deleted, outOfTouch: outOfTouch)
            // A message that some server lacks may have been deleted a moment ago, and this be a copy that came late:
            // what is on record now decides, not what was up to `poll` ago.
            if !isLogFresh, maildrop.lacksCopies(on: settings.servers.count) {
                isLogFresh = true
                return askLog(since: .now)
            }
            // Slow to answer a password that others found right. Wrong ones are delayed on purpose (facts 44): who
            // guesses passwords shall not have a server skipped for everybody.
            for (server, reason) in silent { health.failed(server, reason: reason) }
            let servers = openings.filter { answers[$0.server] == .accepted }.map {
                POP3SessionServer(index: $0.server, backend: $0.backend)
            }
            finish(.opened(maildrop, servers))
        }
    }

    private func finish(_ outcome: Outcome) {
        let completion = self.completion
        switch outcome {
        case .opened: self.completion = nil
        case .refused, .unavailable: cancel()
        }
        completion?(outcome)
    }
}
