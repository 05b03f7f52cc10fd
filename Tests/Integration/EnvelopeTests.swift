import TestSupport
import Testing

extension RealServers {
    /// Who gets a message.
    @Suite struct Envelopes {
        @Test func `Of 50 recipients the 47 that exist get one copy on each server`() throws {
            let lab = try Lab.current
            try lab.waitForHubsToSeeAllServers()
            let users = (1...47).map { "u\($0)@example.org" }
            let strangers = (1...3).map { "stranger\($0)@example.org" }
            var recipients = users
            for (place, stranger) in zip([0, 20, 49], strangers) { recipients.insert(stranger, at: place) }
            // Postfix asks once for an address that it does not know, and a sender waits for that about a second:
            // asked here for all at once.
            let asked = users + strangers
            try parallel(asked.count) { try? lab.warmUp([asked[$0]], at: "mh1") }

            let outcome = try lab.send(note("To fifty"), to: recipients)
            #expect(outcome.isAccepted, "\(outcome)")
            for (recipient, reply) in zip(recipients, outcome.recipients) {
                #expect(reply.code == (strangers.contains(recipient) ? 550 : 250), "\(recipient): \(reply)")
            }
            var ids: Set<[String]> = []
            for user in users {
                let copies = try lab.copies(for: user, within: 0) { $0.subject == "To fifty note" }
                ids.formUnion(copies.values.map { $0[0].ids })
            }
            #expect(ids.count == 1, "one message, one id: \(ids)")
            #expect(try lab.queue(of: "mh1") == [])
        }

        @Test func `A message for users of both domains, one server off, reaches both everywhere`() throws {
            let lab = try Lab.current
            let users = ["u3@example.com", "u51@example.org", "u4@example.com"]
            try lab.stop(.dovecot, on: "b")
            let outcome = try lab.send(note("To two domains"), to: users)
            #expect(outcome.isAccepted, "\(outcome)")
            #expect(
                try users.flatMap { try lab.queuedRecipients(of: "mh1", for: $0) }
                    == users.map { "\($0).b.covey.invalid" })
            try lab.start(.dovecot, on: "b")
            var ids: Set<[String]> = []
            for user in users {
                let copies = try lab.copies(for: user) { $0.subject == "To two domains note" }
                ids.formUnion(copies.values.map { $0[0].ids })
            }
            #expect(ids.count == 1, "\(ids)")
        }

        @Test(
            "Capital letters and repetition make no second copy",
            arguments: [
                ["U5@EXAMPLE.COM"], ["u5@Example.Com", "U5@example.com", "u5@example.com"],
            ])
        func capitals(recipients: [String]) throws {
            let lab = try Lab.current
            let subject = "Capitals \(recipients.count)"
            let outcome = try lab.send(note(subject), to: recipients)
            #expect(outcome.isAccepted, "\(outcome)")
            let copies = try lab.copies(for: "u5@example.com", within: 0) { $0.subject == "\(subject) note" }
            #expect(Set(copies.values.map { $0[0].ids }).count == 1)
            #expect(try lab.queue(of: "mh1") == [])
        }

        @Test func `Capital letters in the address of a missing copy`() throws {
            let lab = try Lab.current
            try lab.stop(.dovecot, on: "a")
            let outcome = try lab.send(note("Capitals missing"), to: ["U6@Example.COM"])
            #expect(outcome.isAccepted, "\(outcome)")
            try lab.start(.dovecot, on: "a")
            let copies = try lab.copies(for: "u6@example.com")
            #expect(Set(copies.values.map { $0[0].ids }).count == 1)
        }

        @Test(
            "Addresses that are the cluster's own business are refused to everybody",
            arguments: [
                "u7@example.com.a.covey.invalid", "u7@example.com.b.Covey.Invalid", "x@covey.invalid",
                "covey-journal@example.com", "COVEY-Journal@Example.com", "covey-journal+x@example.com",
                "\"covey-journal\"@example.com",
            ])
        func internalAddresses(address: String) throws {
            let lab = try Lab.current
            let outcome = try lab.send(note("For internal use"), to: [address])
            #expect((500..<600).contains(outcome.recipients[0].code), "\(outcome)")
            #expect(outcome.message == nil)
            // A stranger's message, as swaks sends it: 24 is its exit status for refused recipients.
            let swaks = try lab.attempt(
                "client", ["swaks", "--server", "mh2", "--from", "eve@elsewhere.example", "--to", address])
            #expect(swaks.status == 24 && swaks.text.contains("<** 5"), "\(swaks)")
            for server in lab.mailboxes {
                #expect(try lab.stored(for: "u7@example.com", on: server) == [])
            }
        }
    }
}
