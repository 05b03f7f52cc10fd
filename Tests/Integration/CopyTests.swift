import Foundation
import TestSupport
import Testing

extension RealServers {
    /// What a sender gave is what every mailbox server has, whichever way it went.
    @Suite struct Copies {
        @Test("Copies stored while the sender waits are equal on all servers", arguments: MessageShape.all)
        func directCopies(shape: MessageShape) throws {
            let lab = try Lab.current
            let outcome = try lab.send(
                shape.octets(token: "direct"), to: ["u1@example.com"], parameters: shape.parameters,
                transfer: shape.transfer)
            try #require(outcome.isAccepted, "\(outcome)")
            // Accepted means stored: there is nothing to wait for.
            try shape.verify(token: "direct", user: "u1@example.com", on: lab.mailboxes, in: lab, within: 0)
            #expect(try lab.queue(of: "mh1") == [])
        }

        @Test func `Copies that a server missed come from the queue, equal to the others`() throws {
            let lab = try Lab.current
            let user = "u2@example.com"
            try lab.warmUp([user], at: "mh1")
            try lab.powerOff("c")
            for shape in MessageShape.all {
                let outcome = try lab.send(
                    shape.octets(token: "queue"), to: [user], parameters: shape.parameters, transfer: shape.transfer)
                #expect(outcome.isAccepted, "\(shape.name): \(outcome)")
            }
            let missing = try lab.queuedRecipients(of: "mh1", for: user)
            #expect(missing == MessageShape.all.map { _ in "\(user).c.covey.invalid" })
            for shape in MessageShape.all { try shape.verify(token: "queue", user: user, on: ["a", "b"], in: lab) }

            try lab.boot("c")
            try lab.wait(
                for: "an empty queue", within: 60, { try lab.queuedRecipients(of: "mh1") }, until: \.isEmpty)
            for shape in MessageShape.all { try shape.verify(token: "queue", user: user, on: lab.mailboxes, in: lab) }
            #expect(Set(try lab.maildrop(of: user, at: "a")).count == MessageShape.all.count)
        }
    }

    @Suite(.lab(mailboxes: 2, suffix: "-two"))
    struct TwoMailboxServers {
        @Test func `Copies on two servers are equal, direct and queued`() throws {
            let lab = try Lab.current
            try #require(lab.mailboxes == ["a", "b"])
            for shape in MessageShape.all {
                let outcome = try lab.send(
                    shape.octets(token: "direct"), to: ["u1@example.com"], at: "mh2", parameters: shape.parameters,
                    transfer: shape.transfer)
                #expect(outcome.isAccepted, "\(shape.name): \(outcome)")
                try shape.verify(token: "direct", user: "u1@example.com", on: lab.mailboxes, in: lab, within: 0)
            }
            try lab.stop(.dovecot, on: "a")
            for shape in MessageShape.all {
                let outcome = try lab.send(
                    shape.octets(token: "queue"), to: ["u1@example.com"], at: "mh2", parameters: shape.parameters,
                    transfer: shape.transfer)
                #expect(outcome.isAccepted, "\(shape.name): \(outcome)")
            }
            try lab.start(.dovecot, on: "a")
            try lab.wait(
                for: "an empty queue", within: 60, { try lab.queuedRecipients(of: "mh2") }, until: \.isEmpty)
            for shape in MessageShape.all {
                try shape.verify(token: "queue", user: "u1@example.com", on: lab.mailboxes, in: lab)
            }
        }
    }
}

extension MessageShape {
    /// Expects exactly one copy on each server, with one id, the header fields as sent, and the body as sent.
    func verify(
        token: String, user: String, on servers: [String], in lab: Lab, within seconds: Double = 30,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let copies = try lab.copies(for: user, on: servers, within: seconds) { $0.subject == "\(name) \(token)" }
            .mapValues { $0[0] }
        let ids = copies.values.map(\.ids)
        #expect(ids.allSatisfy { $0 == ids[0] && $0.count == 1 }, "\(name): \(copies)", sourceLocation: sourceLocation)
        #expect(
            ids[0].first?.wholeMatch(of: /cv1[a-z2-7]{26}/) != nil, "\(name): \(ids)", sourceLocation: sourceLocation)
        let sent = header(token: token).map { text($0 + "\n") }
        for (server, copy) in copies {
            // Above the sender's own fields is the trace, below them the id.
            let fields = copy.fields.drop { !$0.starts(with: text("From:")) }
            #expect(
                Array(fields.dropLast()) == sent,
                """
                \(name) on \(server): stored \(fields.map { String(decoding: $0, as: UTF8.self) }), \
                sent \(sent.map { String(decoding: $0, as: UTF8.self) })
                """, sourceLocation: sourceLocation)
            #expect(
                fields.last == text("X-UIDL: \(ids[0].first ?? "")\n"), "\(name) on \(server)",
                sourceLocation: sourceLocation)
            // Not compared by #expect, which would print 10 MB.
            let isEqual = copy.body == storedBody
            #expect(
                isEqual,
                """
                \(name) on \(server): a body of \(copy.body.count) octets instead of \(storedBody.count); first \
                difference: \(difference(copy.body, storedBody))
                """, sourceLocation: sourceLocation)
        }
    }

    private func difference(_ one: [UInt8], _ other: [UInt8]) -> String {
        let place =
            zip(one, other).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(one.count, other.count)
        let start = max(0, place - 20)
        let piece = { (octets: [UInt8]) in
            String(decoding: octets[min(start, octets.count)...].prefix(60), as: UTF8.self)
        }
        return "at \(place): \(piece(one).debugDescription) instead of \(piece(other).debugDescription)"
    }
}
