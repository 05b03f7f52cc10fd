import Foundation
import Synchronization
import TestSupport

/// Senders and mail programs of a chaos run, and all that they saw.
final class ChaosRun: Sendable {
    private struct State {
        var events: [ChaosEvent] = []
        var messages = 0
        var isEnding = false
        var workers: [Background<Void>] = []
    }

    private let lab: Lab
    private let users: [String]
    private let seed: UInt64
    private let clock = ContinuousClock()
    private let started: ContinuousClock.Instant
    private let state = Mutex(State())

    init(_ lab: Lab, users: [String], seed: UInt64) {
        self.lab = lab
        self.users = users
        self.seed = seed
        started = clock.now
    }

    var events: [ChaosEvent] { state.withLock(\.events) }

    /// Seconds since the beginning.
    var now: Double {
        let passed = started.duration(to: clock.now).components
        return Double(passed.seconds) + Double(passed.attoseconds) / 1e18
    }

    func note(_ kind: ChaosEvent.Kind, user: String = "", at place: String, begin: Double? = nil) {
        let event = ChaosEvent(kind, user: user, at: place, time: now, begin: begin)
        state.withLock { $0.events.append(event) }
    }

    private var isEnding: Bool { state.withLock(\.isEnding) }

    /// Begins: so many senders, and two mail programs for each user.
    func start(senders: Int) {
        let workers =
            (0..<senders).map { number in Background { self.send(ChaosGenerator(seed: self.seed &+ UInt64(number))) } }
            + users.flatMap { user in
                (0..<2).map { number in
                    Background { self.readMail(user, ChaosGenerator(seed: self.seed &* 31 &+ UInt64(number))) }
                }
            }
        state.withLock { $0.workers = workers }
    }

    /// Lets everybody finish. What a sender could not send yet stays unsent.
    func end() throws {
        let workers = state.withLock { state in
            state.isEnding = true
            return state.workers
        }
        for worker in workers { try worker.wait(seconds: 240) }
    }

    // MARK: messages

    /// The body tells the message; its length varies.
    static func body(_ message: Int) -> String {
        (0...(message * 7919 % 400)).map { "message \(message), line \($0) of it\n" }.joined()
    }

    /// Which message these octets of RETR are; nil for none of ours.
    static func message(_ octets: [UInt8]) -> Int? {
        let text = String(decoding: octets, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        let body = text[end.upperBound...]
        guard let number = body.split(separator: ",").first?.split(separator: " ").last.flatMap({ Int($0) }) else {
            return nil
        }
        return body == ChaosRun.body(number).replacingOccurrences(of: "\n", with: "\r\n") ? number : nil
    }

    // MARK: senders

    private func send(_ generator: ChaosGenerator) {
        var generator = generator
        while !isEnding {
            let message = state.withLock { state in
                state.messages += 1
                return state.messages
            }
            let user = users[message % users.count]
            // The same octets at each try, as a queue would send them.
            let octets = MessageShape(name: "Chaos \(message)", body: text(ChaosRun.body(message))).octets(
                token: "chaos")
            // As an MTA does with several MX of one preference: in random order, and again later.
            while !isEnding, !offer(octets, message, user, lab.hubs.randomElement(using: &generator) ?? "") {
                usleep(UInt32.random(in: 300_000...1_500_000, using: &generator))
            }
            usleep(UInt32.random(in: 50_000...400_000, using: &generator))
        }
    }

    /// Whether nothing is left to do.
    private func offer(_ octets: [UInt8], _ message: Int, _ user: String, _ hub: String) -> Bool {
        var isOver = false
        let kind: ChaosEvent.Kind
        do {
            let client = try LabSMTPClient(lab.address(of: hub), seconds: 30)
            let outcome = try client.send(octets, from: "ann@elsewhere.example", to: [user])
            let reply = outcome.message ?? outcome.recipients.first ?? outcome.sender
            isOver = !reply.isTransient && reply.code != 0
            kind =
                reply.code == 250
                ? .accepted(message: message)
                : isOver ? .refused(message: message, reply.text) : .putOff(message: message, reply.text)
        } catch {
            kind = .putOff(message: message, "\(error)")
        }
        note(kind, user: user, at: hub)
        return isOver
    }

    // MARK: mail programs

    private func readMail(_ user: String, _ generator: ChaosGenerator) {
        var generator = generator
        while !isEnding {
            let proxy = lab.mailboxes.randomElement(using: &generator) ?? ""
            try? session(user, at: proxy, &generator)
            usleep(UInt32.random(in: 200_000...1_500_000, using: &generator))
        }
    }

    /// Lists, fetches some, deletes some of these.
    private func session(_ user: String, at proxy: String, _ generator: inout ChaosGenerator) throws {
        let begin = now
        let session = try POP3Connection(lab.address(of: proxy), seconds: 60)
        _ = try session.line()
        try session.expectOK("USER \(user)")
        try session.expectOK("PASS secret")
        try session.expectOK("UIDL")
        let ids = try session.lines().map { $0.split(separator: " ").last.map(String.init) ?? $0 }
        note(.listed(ids), user: user, at: proxy, begin: begin)
        var marked: [String] = []
        for (index, id) in ids.enumerated().shuffled(using: &generator).prefix(5) {
            // A message that no server has now is refused; another one may be had.
            guard try session.command("RETR \(index + 1)").hasPrefix("+OK") else { continue }
            let (octets, isWhole) = try session.message()
            guard isWhole else { return }
            let message = ChaosRun.message(octets)
            note(.fetched(id, message: message), user: user, at: proxy, begin: begin)
            guard message != nil, Bool.random(using: &generator) else { continue }
            try session.expectOK("DELE \(index + 1)")
            marked.append(id)
        }
        guard !marked.isEmpty else {
            _ = try session.command("QUIT")
            return
        }
        // A mail program that is gone before its QUIT deletes nothing.
        guard Int.random(in: 0..<10, using: &generator) > 0 else { return }
        do {
            let answer = try session.command("QUIT")
            note(
                answer.hasPrefix("+OK") ? .deleted(marked) : .notDeleted(marked, answer), user: user, at: proxy,
                begin: begin)
        } catch {
            note(.notDeleted(marked, "\(error)"), user: user, at: proxy, begin: begin)
        }
    }

    // MARK: the end

    /// Every user's maildrop at every proxy and on every server's disk.
    func finalViews() throws -> [ChaosView] {
        // A login removes what the journal names and a late copy brought back.
        for user in users { for proxy in lab.mailboxes { _ = try lab.maildrop(of: user, at: proxy) } }
        return try users.flatMap { user in
            try lab.mailboxes.map { proxy in
                let session = try lab.session(user, at: proxy)
                try session.expectOK("UIDL")
                let ids = try session.lines().map { $0.split(separator: " ").last.map(String.init) ?? $0 }
                let messages = try ids.enumerated().map { index, id in
                    try session.expectOK("RETR \(index + 1)")
                    return (id: id, message: ChaosRun.message(try session.message().octets))
                }
                _ = try session.command("QUIT")
                return ChaosView(place: "proxy \(proxy)", user: user, messages: messages)
            }
                + lab.mailboxes.map { server in
                    ChaosView(
                        place: "server \(server)", user: user,
                        messages: try lab.stored(for: user, on: server).map { stored in
                            let body = [13, 10, 13, 10] + crlf(stored.body)
                            return (id: stored.ids.first ?? "none", message: ChaosRun.message(body))
                        })
                }
        }
    }
}
