import TestSupport
import Testing

extension RealServers {
    @Suite struct Stamps {
        /// Ways to smuggle in an id.
        private static let forgeries: [[String]] = [
            ["X-UIDL: \(forgedID)"],
            ["x-uidl: \(forgedID)", "X-Uidl: another", "X-UIDL: \(forgedID)"],
            ["X-UIDL:\n\t\(forgedID)"],
            ["X-UIDL : \(forgedID)"],
            ["X-UIDL:", "X-UIDL: "],
            (0..<30).map { "X-UIDL: \($0)" },
            ["X-UIDL: " + String(repeating: "long ", count: 300)],
        ]

        /// The id is made of content without X-UIDL fields, so that the message without them tells what it has to be.
        @Test("A sender's own X-UIDL never survives", arguments: forgeries.indices)
        func forged(number: Int) throws {
            let lab = try Lab.current
            let subject = "Forged \(number)"
            let (honest, victim) = ("u24@example.com", "u25@example.com")
            var outcome = try lab.send(note(subject), to: [honest])
            #expect(outcome.isAccepted, "\(outcome)")
            outcome = try lab.send(note(subject, fields: Stamps.forgeries[number]), to: [victim])
            #expect(outcome.isAccepted, "\(outcome)")
            let expected = try lab.copies(for: honest) { $0.subject == "\(subject) note" }
            let copies = try lab.copies(for: victim) { $0.subject == "\(subject) note" }
            for server in lab.mailboxes {
                #expect(copies[server]?[0].ids == expected["a"]?[0].ids, "\(server)")
                #expect(copies[server]?[0].ids.count == 1)
            }
        }

        @Test func `Forged ids do not survive in copies from the queue either`() throws {
            let lab = try Lab.current
            let user = "u26@example.com"
            try lab.warmUp([user], at: "mh1")
            try lab.stop(.dovecot, on: "b")
            for (number, fields) in Stamps.forgeries.enumerated() {
                let outcome = try lab.send(note("Forged \(number)", fields: fields), to: [user])
                #expect(outcome.isAccepted, "\(outcome)")
            }
            try lab.start(.dovecot, on: "b")
            let copies = try lab.copies(for: user, count: Stamps.forgeries.count, within: 60)
            for number in Stamps.forgeries.indices {
                let ids = copies.values.map { $0.filter { $0.subject == "Forged \(number) note" }.map(\.ids) }
                #expect(ids.allSatisfy { $0 == ids[0] && $0.count == 1 && $0[0].count == 1 }, "\(number): \(ids)")
                #expect(ids[0].first != [forgedID])
            }
        }

        /// Somebody puts the id of a message that the user has, or deleted, on another one.
        @Test func `An id taken from another message does not hide a message`() throws {
            let lab = try Lab.current
            let user = "u27@example.com"
            #expect(try lab.send(note("Original"), to: [user]).isAccepted)
            let id = try #require(try lab.copies(for: user)["a"]?[0].ids.first)
            let replayed = note("Replayed", fields: ["X-UIDL: \(id)"])
            #expect(try lab.send(replayed, to: [user]).isAccepted)
            // Through the back door, which keeps stamps that verify.
            try lab.exec(
                "mh1", "sendmail", "-f", "ann@elsewhere.example", "-oi", user,
                input: replayed.filter { $0 != UInt8(ascii: "\r") } + text("and more\n"))
            try lab.copies(for: user, count: 3)
            #expect(Set(try lab.maildrop(of: user, at: "a")).count == 3)
        }
    }
}
