import TestSupport
import Testing

extension RealServers {
    /// Mailbox servers that fail at each moment of a delivery, for both MTAs and both kinds of delivery.
    @Suite(.lab(mailboxes: 2, suffix: "-matrix")) struct PostfixMatrix {
        @Test("Nobody loses or doubles a message", arguments: MatrixFault.all)
        func fault(_ fault: MatrixFault) throws { try Matrix(Lab.current).check(fault) }
    }

    @Suite(.lab(mailboxes: 2, suffix: "-matrix-sendmail", mta: .sendmail)) struct SendmailMatrix {
        @Test("Nobody loses or doubles a message", arguments: MatrixFault.all)
        func fault(_ fault: MatrixFault) throws { try Matrix(Lab.current).check(fault) }
    }
}

/// What goes wrong while messages are under way.
struct MatrixFault: Sendable, CustomTestStringConvertible {
    var moment: LabFaults.Moment
    /// All mailbox servers rather than one of the two.
    var isEverywhere: Bool

    var testDescription: String { "\(moment), \(isEverywhere ? "all servers" : "one server")" }

    static let all = [LabFaults.Moment.connect, .rcpt, .data, .dot].flatMap { moment in
        [false, true].map { MatrixFault(moment: moment, isEverywhere: $0) }
    }
}

/// Six cells at once under one fault: to one user, to ten, and to a mixture, at a hub that delivers directly (mh1) and
/// at one with `delivery = "queued"` (mh2). Each hub has users of its own, so that its queue tells whose copies it has.
struct Matrix {
    /// One cell.
    struct Cell: Sendable {
        enum Kind: String, CaseIterable { case one = "one user", ten = "ten users", mixed = "user, alias, remote" }

        var kind: Kind
        var hub: String
        var fault: MatrixFault

        /// Does the sender's 250 say that mailboxes have the message?
        var isDirect: Bool { hub == "mh1" }
        var name: String { "\(isDirect ? "direct" : "queued"): \(fault.testDescription): \(kind.rawValue)" }
        var subject: String { "\(name) note" }
        var message: [UInt8] { note(name) }

        /// All who are to have it in the end.
        var users: [String] {
            let start = isDirect ? 0 : 20
            let numbers =
                switch kind {
                case .one: [1]
                case .ten: Array(2...11)
                case .mixed: [12, 13]
                }
            return numbers.map { "u\(start + $0)@example.com" }
        }
        /// The last user of a mixture is behind the alias.
        var alias: String { "team@\(hub).example.com" }
        var recipients: [String] { kind == .mixed ? [users[0], alias, "rose@remote.test"] : users }
    }

    let lab: Lab
    let faults: LabFaults
    let site: RemoteSite

    init(_ lab: Lab) throws {
        self.lab = lab
        faults = try LabFaults(lab)
        site = try RemoteSite(lab)
        try setUp("mh1", alias: "u13@example.com", isQueued: false)
        try setUp("mh2", alias: "u33@example.com", isQueued: true)
    }

    private func setUp(_ hub: String, alias: String, isQueued: Bool) throws {
        let aliases = lab.mta == .postfix ? "/etc/aliases" : "/etc/mail/aliases"
        guard try lab.attempt(hub, ["grep", "-q", "^team:", aliases]).status != 0 else { return }
        try lab.shell(hub, "echo 'team: \(alias)' >>\(aliases) && newaliases")
        guard isQueued else { return }
        try lab.shell(hub, "sed -i 's/^\\[milter\\]/&\\ndelivery = \"queued\"/' /etc/covey/cluster.toml")
        try lab.stop(.milter, on: hub)
        try lab.start(.milter, on: hub)
    }

    func check(_ fault: MatrixFault) throws {
        let cells = ["mh1", "mh2"].flatMap { hub in
            Cell.Kind.allCases.map { Cell(kind: $0, hub: hub, fault: fault) }
        }
        // A case that failed may have left its fault.
        try faults.set(.none, on: [])
        try lab.waitForHubsToSeeAllServers()
        // Sendmail's milter asks whether users exist, and remembers that they do.
        for cell in cells { try lab.warmUp(cell.users, at: cell.hub) }
        let failing = fault.isEverywhere ? lab.mailboxes : ["b"]
        let before = failing.map { faults.cuts(on: $0) }
        try faults.set(fault.moment, on: failing)

        let lab = lab
        let outcomes = try parallel(cells.count) { number in
            try lab.send(cells[number].message, to: cells[number].recipients, at: cells[number].hub)
        }
        for (cell, outcome) in zip(cells, outcomes) {
            // Fewer than min_copies mailboxes had it: a sender that is told 250 would be lied to.
            if cell.isDirect && fault.isEverywhere {
                #expect(outcome.message?.isTransient == true, "\(cell.name): \(outcome)")
            } else {
                #expect(outcome.isAccepted, "\(cell.name): \(outcome)")
            }
            if outcome.isAccepted { try checkPromise(cell) }
        }
        for (server, count) in zip(failing, before) {
            #expect(faults.cuts(on: server) > count, "\(fault.testDescription): \(server) did not fail")
        }

        try faults.set(.none, on: [])
        try lab.waitForHubsToSeeAllServers()
        for (cell, outcome) in zip(cells, outcomes) where !outcome.isAccepted {
            try lab.wait(
                for: "\(cell.name): the retry",
                { try lab.send(cell.message, to: cell.recipients, at: cell.hub) }, until: \.isAccepted)
        }
        for hub in lab.hubs { try lab.emptyQueue(of: hub) }
        let results = try parallel(cells.count) { try Matrix.result(of: cells[$0], in: lab) }
        for (cell, (outcome, result)) in zip(cells, zip(outcomes, results)) {
            let isRight = result.isEmpty
            #expect(isRight, "\(cell.name): \(result.joined(separator: "; "))")
            let reply = outcome.message?.code ?? 0
            print("matrix: \(lab.mta): \(cell.name): \(reply): \(isRight ? "right" : result.joined(separator: "; "))")
        }
        for cell in cells where cell.kind == .mixed {
            #expect(try site.messages(cell.subject).count == 1, "\(cell.name): remote")
        }
        let toSender = try site.messages().filter { $0.values(of: "X-Rcpt-Args").first?.contains("ann@") == true }
        #expect(toSender == [], "a sender heard of it")
    }

    /// Each user has a copy on each server, or the hub's queue has it, for that server or for the back door.
    ///
    /// The queue is read before the mailboxes: what leaves it in between is in a mailbox. What is on its way from one
    /// queue file to another may be missed by one look, and so there are several; the fault is still there, so nothing that is
    /// lost comes back meanwhile.
    private func checkPromise(_ cell: Cell) throws {
        try lab.wait(
            for: "\(cell.name): all copies in mailboxes or in the queue", within: 15,
            {
                let queued = Set(try lab.queue(of: cell.hub).flatMap(\.recipients).map(\.address))
                return try cell.users.flatMap { user in
                    let whole = [user] + (cell.kind == .mixed && user == cell.users.last ? [cell.alias] : [])
                    // Direct: the mailboxes have it, and the queue knows exactly which server lacks it.
                    if !queued.isDisjoint(with: whole), !cell.isDirect || whole.count > 1 { return [String]() }
                    return try lab.mailboxes.filter { server in
                        let isQueued = queued.contains("\(user).\(server).covey.invalid")
                        return try !isQueued
                            && !lab.stored(for: user, on: server).contains { $0.subject == cell.subject }
                    }.map { "\(user) on \($0)" }
                }
            }, until: \.isEmpty)
    }

    /// What is wrong in the end: nothing, if all is well.
    private static func result(of cell: Cell, in lab: Lab) throws -> [String] {
        var wrong: [String] = []
        var ids: Set<[String]> = []
        for user in cell.users {
            for server in lab.mailboxes {
                let copies = try lab.stored(for: user, on: server).filter { $0.subject == cell.subject }
                if copies.isEmpty { wrong.append("\(user) has no copy on \(server)") }
                ids.formUnion(copies.map(\.ids))
            }
        }
        guard ids.count == 1, let id = ids.first?.first, ids.first?.count == 1 else {
            return wrong + ["not one id: \(ids)"]
        }
        for user in cell.users {
            for proxy in lab.mailboxes {
                let count = try lab.maildrop(of: user, at: proxy).count { $0 == id }
                if count != 1 { wrong.append("\(user) sees it \(count) times at proxy \(proxy)") }
            }
        }
        return wrong
    }
}
