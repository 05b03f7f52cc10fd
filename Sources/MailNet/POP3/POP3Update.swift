internal import CoveyCore
internal import Logging
internal import MailWire
internal import NIOCore

/// QUIT with marked messages: removes every copy on every server, in the order of design §5.
///
/// 1. What is known to be missing on an absent server is recorded. 2. DELE and QUIT go to all servers at once.
/// 3. What was not confirmed is recorded. Only then the client hears +OK. Where a record is needed and cannot be had in
/// step 1, nothing is removed anywhere.
///
/// What all confirmed is recorded before +OK too, unless that takes long: a sender's retry or a thawed server may store a
/// copy anew, and if this proxy died before it wrote the entry, nobody would know any more that the message was deleted.
final class POP3Update {
    private let plan: DeletionPlan
    private let deletions: Deletions
    private let servers: [POP3SessionServer]
    private let log: any DeletionLog
    private let times: POP3ProxySettings.Times
    private let eventLoop: any EventLoop
    private var completion: ((Bool) -> Void)?
    private var confirmations = 0
    /// Deletions that were put on record before the client's answer.
    private(set) var recorded = 0
    /// When every proxy knows of what was recorded.
    private var knownEverywhere: ContinuousClock.Instant?
    private var answersDue = 0
    private var deadline: Scheduled<Void>?
    /// Keeps itself until it is done: the client may have gone after its QUIT, which counts all the same.
    private var itself: POP3Update?

    init(
        plan: DeletionPlan, user: String, servers: [POP3SessionServer], log: any DeletionLog,
        times: POP3ProxySettings.Times, eventLoop: any EventLoop
    ) {
        self.plan = plan
        self.deletions = Deletions(user: user, ids: plan.ids)
        self.servers = servers.filter { $0.backend.isAlive }
        self.log = log
        self.times = times
        self.eventLoop = eventLoop
    }

    /// `completion` hears whether everything is gone or on record.
    func start(_ completion: @escaping (Bool) -> Void) {
        self.completion = completion
        itself = self
        guard plan.needsRecordFirst else { return removeEverywhere() }
        record { isRecorded in
            if isRecorded { self.removeEverywhere() } else { self.finish(false) }
        }
    }

    private func removeEverywhere() {
        guard !servers.isEmpty else { return recordUnconfirmed() }
        answersDue = servers.count
        deadline = eventLoop.assumeIsolated().scheduleTask(in: times.update) {
            for server in self.servers { server.backend.close() }
        }
        for server in servers { remove(on: server) }
    }

    private func remove(on server: POP3SessionServer) {
        var isConfirmed = true
        for number in plan.numbers[server.index] ?? [] {
            server.backend.enqueueForStatus(.dele(number)) { result in
                if case .success(let status) = result, status.isOK { return }
                isConfirmed = false
            }
        }
        // RFC 1939 §6: the server removes at QUIT, and says whether it did.
        server.backend.enqueueForStatus(.quit) { result in
            if case .success(let status) = result, status.isOK, isConfirmed { self.confirmations += 1 }
            server.backend.close()
            self.answersDue -= 1
            if self.answersDue == 0 { self.recordUnconfirmed() }
        }
        server.backend.flush()
    }

    private func recordUnconfirmed() {
        deadline?.cancel()
        if confirmations == servers.count && !servers.isEmpty {
            // Where a server was known to be missed the record was made in the first step.
            if plan.needsRecordFirst { finish(true) } else { noteConfirmed() }
        } else {
            record { self.finish($0) }
        }
    }

    private func noteConfirmed() {
        let log = self.log
        let deletions = self.deletions
        // Gone from every server: that is true whatever becomes of the entry.
        deadline = eventLoop.assumeIsolated().scheduleTask(in: times.note) { self.finish(true) }
        eventLoop.makeFutureWithTask { await log.noteConfirmed(deletions) }.assumeIsolated().whenComplete { _ in
            self.deadline?.cancel()
            self.finish(true)
        }
    }

    private func record(_ completion: @escaping (Bool) -> Void) {
        let log = self.log
        let deletions = self.deletions
        eventLoop.makeFutureWithTask { () async -> ContinuousClock.Instant? in
            try? await log.record(deletions)
        }.assumeIsolated().whenComplete { result in
            let time = (try? result.get()) ?? nil
            if let time {
                self.recorded = self.deletions.ids.count
                self.knownEverywhere = time
            }
            completion(time != nil)
        }
    }

    private func finish(_ complete: Bool) {
        guard completion != nil else { return }
        for server in servers { server.backend.close() }
        // Where some server confirmed, the messages are not on all of them, and the next login asks the journals anew.
        // Where none did, all may still list them: then the answer waits until no proxy goes by an older reading.
        let wait = confirmations > 0 ? .zero : knownEverywhere.map { ContinuousClock.now.duration(to: $0) } ?? .zero
        guard complete, wait > .zero else { return answer(complete) }
        eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(wait)) { self.answer(true) }
    }

    private func answer(_ complete: Bool) {
        completion?(complete)
        completion = nil
        itself = nil
    }
}
