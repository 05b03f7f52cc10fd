import Foundation
import TestSupport

extension MaildropMatrix {
    // MARK: what goes wrong

    /// The cells of one fault: all of them under one outage.
    func act(_ missed: MaildropCell.Missed) throws {
        let cells = MaildropCell.all.filter { $0.missed == missed }
        let late = cells.filter { $0.what == .lateCopy }
        let new = cells.filter { $0.what == .newMessage }
        if let server = missed.server {
            try stopServer(server)
            try sendNew(missed, to: new)
            try sendLate(to: late)
            try deleteAndQuit(cells)
            try startServer(server)
        } else if let server = missed.journal {
            try breakJournal(of: server)
            try sendNew(missed, to: new)
            try deleteAndQuit(cells)
            // The copy comes where the journal cannot tell.
            let confirmed = cells.filter { $0.what == .lateAfterAll }
            try waitForEntries(of: confirmed, on: lab.mailboxes.filter { $0 != server })
            try addCopy(of: "First note", for: confirmed, on: server)
            try readBack(confirmed)
            try mendJournal(of: server)
        } else {
            try deleteAndKill(cells, missed)
        }
        // Before the late copy, and after it.
        try readBack(cells)
        try release(late + new)
        try readBack(cells)
    }

    private func sendNew(_ missed: MaildropCell.Missed, to cells: [MaildropCell]) throws {
        guard !cells.isEmpty else { return }
        try send(note("New \(missed.rawValue)"), to: cells)
        for cell in cells {
            guard let id = try ids(of: cell.user, on: lab.mailboxes)["New \(missed.rawValue) note"] else {
                throw LabFailure("\(cell.name): the message is nowhere")
            }
            self[cell].kept.insert(id)
        }
    }

    /// Opens a session at proxy a and marks what the cell's user deletes. Returns the ids that QUIT would delete, too.
    private func mark(_ cell: MaildropCell) throws -> (session: POP3Connection, ids: Set<String>) {
        let byName = try ids(of: cell.user, on: lab.mailboxes)
        let ids = Set(cell.marked.compactMap { byName[$0] })
        guard ids.count == cell.marked.count else { throw LabFailure("\(cell.name): \(byName)") }
        let session = try lab.session(cell.user, at: "a")
        try session.expectOK("UIDL")
        for line in try session.lines() {
            let words = line.split(separator: " ").map(String.init)
            if ids.contains(words[1]) { try session.expectOK("DELE \(words[0])") }
        }
        guard cell.what == .rset else { return (session, ids) }
        try session.expectOK("RSET")
        return (session, [])
    }

    private func deleteAndQuit(_ cells: [MaildropCell]) throws {
        try cells.parallelForEach { cell in
            let (session, ids) = try self.mark(cell)
            let answer = try session.command("QUIT")
            if answer.hasPrefix("+OK") {
                self[cell].kept.subtract(ids)
                self[cell].gone.formUnion(ids)
            } else {
                self.complain(cell, "QUIT: \(answer)")
            }
        }
    }

    private func deleteAndKill(_ cells: [MaildropCell], _ missed: MaildropCell.Missed) throws {
        let open = try cells.map { (cell: $0, marked: try mark($0)) }
        func killProxy() throws { try lab.stop(.pop3d, on: "a", signal: "KILL") }
        let before = lab.mailboxes.map { faults.held(on: $0) }
        func wait(for servers: [String]) throws {
            try lab.wait(for: "sessions that stand still on \(servers)") {
                zip(lab.mailboxes, before).allSatisfy { server, count in
                    !servers.contains(server) || faults.held(on: server) == count + cells.count
                }
            }
        }
        if missed == .killedBeforeQUIT {
            try killProxy()
        } else {
            let moments: [String: LabPOP3Faults.Moment] =
                switch missed {
                case .killedInQUIT: ["a": .afterQUIT, "b": .afterQUIT]
                case .killedAfterFirstDELE: ["a": .firstDELE, "b": .firstDELE]
                default: ["a": .none, "b": .beforeQUIT]
                }
            for (server, moment) in moments { try faults.set(moment, on: server) }
            for (_, marked) in open { try marked.session.write(text("QUIT\r\n")) }
            try wait(for: moments.filter { $0.value != .none }.keys.sorted())
            if missed == .killedAfterFirstServer {
                for (cell, marked) in open {
                    try lab.wait(for: "a without what \(cell.user) deleted") {
                        marked.ids.isDisjoint(with: try ids(of: cell.user, on: ["a"]).values)
                    }
                }
            }
            try killProxy()
        }
        for (cell, marked) in open {
            let answer = String(decoding: (try? marked.session.rest()) ?? [], as: UTF8.self)
            if answer.contains("+OK") { complain(cell, "answered after all: \(answer)") }
            // Without QUIT nothing is deleted (RFC 1939 §6).
            if missed != .killedBeforeQUIT {
                self[cell].kept.subtract(marked.ids)
                self[cell].undecided.formUnion(marked.ids)
            }
        }
        for server in lab.mailboxes { try faults.set(.none, on: server) }
        try lab.start(.pop3d, on: "a")
        try lab.waitForAllServers()
    }

    // MARK: what is to be seen

    /// Each cell's user looks through the cell's proxy.
    func readBack(_ cells: [MaildropCell]) throws {
        try cells.parallelForEach { cell in
            let shown = try self.lab.maildrop(of: cell.user, at: cell.proxy)
            for problem in self.problems(cell, shown) { self.complain(cell, problem) }
        }
    }

    private func problems(_ cell: MaildropCell, _ shown: [String]) -> [String] {
        let expected = self[cell]
        let seen = Set(shown)
        var problems: [String] = []
        if seen.count != shown.count { problems.append("a message is shown twice: \(shown)") }
        let risen = seen.intersection(expected.gone)
        if !risen.isEmpty { problems.append("came back: \(risen)") }
        let lost = expected.kept.subtracting(seen)
        if !lost.isEmpty { problems.append("lost: \(lost)") }
        let strange = seen.subtracting(expected.kept).subtracting(expected.gone).subtracting(expected.undecided)
        if !strange.isEmpty { problems.append("unknown: \(strange)") }
        return problems
    }

    /// The full comparison: after `covey resync` both servers hold the same messages, octet for octet, both proxies show
    /// just these, and both journals name all deletions.
    ///
    /// - Parameter lost: the server that lost something: it is brought up to date first.
    func compare(_ cells: [MaildropCell], lost: String? = nil) throws {
        // What the journals name goes at a login.
        for proxy in lab.mailboxes {
            try cells.parallelForEach { _ = try self.lab.maildrop(of: $0.user, at: proxy) }
        }
        try waitForEntries(of: cells, on: lab.mailboxes)
        for server in lab.mailboxes.filter({ $0 == lost }) + lab.mailboxes.filter({ $0 != lost }) {
            var output = try resync(to: server, cells)
            // What was deleted without an answer, and came back with an old disk, is for the operator to decide.
            if output.status == 1, isAllUndecided(output.text, cells) {
                output = try resync(to: server, cells, "--keep")
            }
            if output.status != 0 { complain(cells[0], "resync to \(server): \(output)") }
        }
        try cells.parallelForEach { cell in
            do {
                try self.lab.wait(
                    for: "servers that agree", within: 15, { try self.differences(cell) }, until: \.isEmpty)
            } catch {
                self.complain(cell, "\(error)")
            }
        }
    }

    private func resync(to server: String, _ cells: [MaildropCell], _ options: String...) throws -> CommandOutput {
        try lab.attempt(
            "a",
            [
                "covey", "resync", "--to", server, "--all", "--users", "-", "--master", "resync",
                "--password-file", "/etc/covey/master.password",
            ] + options, input: text(cells.map { $0.user + "\n" }.joined()), seconds: 120)
    }

    /// Whether resync found nothing only there but what nobody can tell of.
    private func isAllUndecided(_ report: String, _ cells: [MaildropCell]) -> Bool {
        var user = ""
        for line in report.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.first?.hasSuffix("@example.com:") == true { user = String(words[0].dropLast()) }
            guard line.hasPrefix("  only on "), let id = words.last else { continue }
            guard let cell = cells.first(where: { $0.user == user }), self[cell].undecided.contains(id) else {
                return false
            }
        }
        return true
    }

    private func differences(_ cell: MaildropCell) throws -> [String] {
        var found: [String] = []
        let held = try lab.mailboxes.map { server in
            Dictionary(
                try lab.stored(for: cell.user, on: server).map { ($0.ids.first ?? "", $0.body) },
                uniquingKeysWith: { $0 == $1 ? $0 : text("copies of one id that differ") })
        }
        if held[0] != held[1] { found.append("a holds \(held[0].keys.sorted()), b \(held[1].keys.sorted())") }
        for proxy in lab.mailboxes {
            let shown = try lab.maildrop(of: cell.user, at: proxy)
            found += problems(cell, shown)
            if Set(shown) != Set(held[0].keys) { found.append("\(proxy) shows \(shown), a holds \(held[0].keys)") }
        }
        return found
    }

    /// Waits until these journals name every deletion that was answered.
    private func waitForEntries(of cells: [MaildropCell], on servers: [String]) throws {
        let due = Set(cells.flatMap { cell in self[cell].gone.map { "\(cell.user) \($0)" } })
        try lab.wait(
            for: "entries in the journals of \(servers)", within: 45,
            {
                var holders: [String: Set<String>] = [:]
                // Its exit status tells of a journal that cannot be read.
                for line in try lab.shell("a", "covey journal list 2>/dev/null || true").text.split(separator: "\n") {
                    let words = line.split(separator: " ").map(String.init)
                    guard words.count == 4 else { continue }
                    holders["\(words[1]) \(words[2])"] = Set(words[3].split(separator: ",").map(String.init))
                }
                return due.filter { !(holders[$0] ?? []).isSuperset(of: servers) }
            }, until: \.isEmpty)
    }
}
