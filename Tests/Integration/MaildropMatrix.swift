import Foundation
import Synchronization
import TestSupport

/// The lab in which all cells run, what their users may expect to see, and the faults.
final class MaildropMatrix: Sendable {
    /// What a user may see.
    struct Expectation: Sendable {
        /// Always there, once.
        var kept: Set<String> = []
        /// Deleted, with an answer: never there again.
        var gone: Set<String> = []
        /// Their deletion was not answered: there or not, but everywhere the same in the end.
        var undecided: Set<String> = []
    }

    let lab: Lab
    let faults: LabPOP3Faults
    private let expectations = Mutex<[String: Expectation]>([:])
    private let wrong = Mutex<[String]>([])
    private static let backup = "/var/yesterday.tar"

    init(_ lab: Lab) throws {
        self.lab = lab
        try lab.addMasterUser()
        faults = try LabPOP3Faults(lab)
        try prepare(MaildropCell.all)
    }

    // MARK: what should be

    subscript(_ cell: MaildropCell) -> Expectation {
        get { expectations.withLock { $0[cell.user] ?? Expectation() } }
        set { expectations.withLock { $0[cell.user] = newValue } }
    }

    func complain(_ cell: MaildropCell, _ words: String) {
        wrong.withLock { $0.append("\(cell.name) (\(cell.user)): \(words)") }
    }

    /// What was wrong since the last call.
    func takeComplaints() -> [String] {
        wrong.withLock { wrong in
            defer { wrong = [] }
            return wrong
        }
    }

    // MARK: before anything goes wrong

    /// Every user gets the same three messages; some get a fourth, whose copy for b waits in the hub's queue, or the first
    /// one twice. Then both disks are backed up.
    private func prepare(_ cells: [MaildropCell]) throws {
        // The hub takes a second for each address that it has not heard of.
        let users = cells.map(\.user)
        try stride(from: 0, to: users.count, by: 15).map { Array(users[$0...].prefix(15)) }
            .parallelForEach { try self.lab.warmUp($0, at: "mh1") }
        for subject in ["First", "Second", "Kept"] { try send(note(subject), to: cells) }
        let user = cells.last?.user ?? ""
        let first: [String: String] = try lab.wait(
            for: "the first messages", { try self.ids(of: user, on: ["a", "b"]) }, until: { $0.count == 3 })
        for cell in cells { self[cell] = Expectation(kept: Set(first.values)) }
        for server in lab.mailboxes {
            try addCopy(of: "First note", for: cells.filter { $0.what == .duplicate }, on: server)
        }
        let late = cells.filter { $0.what == .lateCopy && $0.missed.server == nil }
        try stopServer("b")
        for missed in MaildropCell.Missed.allCases { try sendLate(to: late.filter { $0.missed == missed }) }
        // Until release(): a hub that comes to it only now.
        try lab.shell("mh1", "postsuper -h ALL deferred && postsuper -h ALL")
        try startServer("b")
        for server in lab.mailboxes { try lab.shell(server, "tar -C /var -cf \(MaildropMatrix.backup) vmail") }
    }

    /// Sends to all users, at most 50 at a time.
    func send(_ message: [UInt8], to cells: [MaildropCell]) throws {
        let users = cells.map(\.user)
        for start in stride(from: 0, to: users.count, by: 50) {
            let part = Array(users[start...].prefix(50))
            try lab.warmUp(part, at: "mh1")
            let outcome = try lab.send(message, to: part)
            guard outcome.isAccepted, outcome.recipients.allSatisfy(\.isPositive) else {
                throw LabFailure("\(part): \(outcome)")
            }
        }
    }

    /// A message whose copy for the server that is down stays in the queue.
    func sendLate(to cells: [MaildropCell]) throws {
        guard let first = cells.first else { return }
        try send(note(String(first.lateSubject.dropLast(5))), to: cells)
        for cell in cells {
            guard let id = try ids(of: cell.user, on: ["a", "b"])[cell.lateSubject] else {
                throw LabFailure("\(cell.name): the message is nowhere")
            }
            self[cell].kept.insert(id)
        }
    }

    /// Puts a further copy of a message on a server, as a hub's queue would.
    func addCopy(of subject: String, for cells: [MaildropCell], on server: String) throws {
        guard let user = MaildropCell.all.last?.user,
            let message = try lab.stored(for: user, on: server).first(where: { $0.subject == subject })
        else { return }
        try lab.exec(
            server, "tee", "/var/tmp/copy", input: message.fields.flatMap { $0 } + [UInt8(ascii: "\n")] + message.body)
        let users = cells.map(\.user).joined(separator: " ")
        try lab.shell(server, "for user in \(users); do doveadm save -u $user </var/tmp/copy; done")
    }

    /// Ids by subject of what these servers hold for a user.
    func ids(of user: String, on servers: [String]) throws -> [String: String] {
        let messages = try servers.flatMap { try lab.stored(for: user, on: $0) }
        return Dictionary(messages.map { ($0.subject, $0.ids.first ?? "") }, uniquingKeysWith: { first, _ in first })
    }

    // MARK: faults

    func stopServer(_ server: String) throws {
        try faults.set(.down, on: server)
        try lab.stop(.dovecot, on: server, signal: "KILL")
    }

    /// Waits until hubs and proxies have noticed.
    func startServer(_ server: String) throws {
        try faults.set(.none, on: server)
        try lab.start(.dovecot, on: server)
        try lab.waitForHubsToSeeAllServers(["mh1"])
        try lab.waitForAllServers()
    }

    func restore(_ server: String) throws {
        try stopServer(server)
        try lab.shell(server, "rm -rf /var/vmail && tar -C /var -xf \(MaildropMatrix.backup)")
        try startServer(server)
    }

    func replaceDisk(of server: String) throws {
        try stopServer(server)
        try lab.shell(server, "find /var/vmail -mindepth 1 -delete")
        try startServer(server)
    }

    /// The journal's mailbox as a broken disk makes it: logins succeed, nothing can be read or written.
    func breakJournal(of server: String) throws {
        let before = journalLines("cannot be read", server)
        try lab.shell(server, "chmod 0 /var/vmail/example.com/covey-journal")
        try lab.wait(for: "proxies that miss \(server)'s journal") {
            zip(journalLines("cannot be read", server), before).allSatisfy { $0 > $1 }
        }
    }

    func mendJournal(of server: String) throws {
        let before = journalLines("can be read again", server)
        try lab.shell(server, "chmod 0700 /var/vmail/example.com/covey-journal")
        try lab.wait(for: "proxies that read \(server)'s journal") {
            zip(journalLines("can be read again", server), before).allSatisfy { $0 > $1 }
        }
    }

    private func journalLines(_ words: String, _ server: String) -> [Int] {
        lab.mailboxes.map { proxy in
            lab.log(of: "covey-pop3d", on: proxy).count {
                $0.contains("journal \(words)") && $0.contains("server=\(server)")
            }
        }
    }

    /// Lets the copies go that the hub holds for these users, and waits until they are delivered.
    func release(_ cells: [MaildropCell]) throws {
        let users = Set(cells.map { $0.user + "." })
        guard !users.isEmpty else { return }
        try lab.shell(
            "mh1",
            """
            postqueue -j | grep -F \(users.map { "-e '\"\($0)'" }.joined(separator: " ")) |
                sed 's/.*"queue_id": "\\([^"]*\\)".*/\\1/' | while read -r id; do postsuper -H $id; done || true
            """)
        var looks = 0
        try lab.wait(
            for: "the late copies' delivery", within: 90,
            {
                if looks % 20 == 0 { try lab.flushQueue(of: "mh1") }
                looks += 1
                return try lab.queue(of: "mh1").flatMap(\.recipients).map(\.address)
                    .filter { address in users.contains { address.hasPrefix($0) } }
            }, until: \.isEmpty)
    }
}

extension Array where Element: Sendable {
    /// Does something for each element, eight at a time, each on a thread of its own.
    func parallelForEach(_ work: @escaping @Sendable (Element) throws -> Void) throws {
        for start in stride(from: 0, to: count, by: 8) {
            let part = Array(self[start...].prefix(8))
            try parallel(part.count) { try work(part[$0]) }
        }
    }
}
