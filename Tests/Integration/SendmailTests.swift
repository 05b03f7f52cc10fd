import TestSupport
import Testing

extension RealServers {
    /// Hubs that run Sendmail, set up by what covey sendmail prints.
    @Suite(.lab(mailboxes: 2, suffix: "-sendmail", mta: .sendmail)) struct SendmailHubs {
        /// Sendmail does not know CHUNKING, and refuses NUL octets by itself.
        private static let shapes = MessageShape.all.filter { $0.transfer == .data && !$0.body.contains(0) }

        @Test(
            "Bodies are stored everywhere as they were sent",
            arguments: SendmailHubs.shapes)
        func direct(shape: MessageShape) throws {
            let lab = try Lab.current
            let outcome = try lab.send(
                shape.octets(token: "direct"), to: ["u1@example.com", "u1@example.org"], parameters: shape.parameters)
            try #require(outcome.isAccepted, "\(outcome)")
            for user in ["u1@example.com", "u1@example.org"] {
                try verify(shape, "direct", user, on: lab.mailboxes, in: lab, within: 0)
            }
            #expect(try lab.queue(of: "mh1") == [])
        }

        @Test func `Missing copies wait in the queue for exactly their server, without a word to the sender`() throws {
            let lab = try Lab.current
            let user = "u2@example.com"
            let shapes = SendmailHubs.shapes
            try lab.stop(.dovecot, on: "b", signal: "KILL")
            for shape in shapes {
                let outcome = try lab.send(
                    shape.octets(token: "queue"), to: [user], parameters: shape.parameters)
                #expect(outcome.isAccepted, "\(shape.name): \(outcome)")
            }
            #expect(try lab.queuedRecipients(of: "mh1") == shapes.map { _ in "\(user).b.covey.invalid" })
            let mailq = try lab.exec("mh1", "sendmail", "-bp").text
            #expect(mailq.contains("<\(user).b.covey.invalid>"))
            // N: NOTIFY was given; S, F or D would be what to tell the sender.
            let flags = try lab.shell(
                "mh1", "grep -ah '^R.*covey.invalid' /var/spool/mqueue/qf* | cut -d: -f1 | sort -u")
            #expect(flags.line == "RPN")

            try lab.start(.dovecot, on: "b")
            try lab.wait(for: "an empty queue", within: 60, { try lab.queue(of: "mh1") }, until: \.isEmpty)
            for shape in shapes { try verify(shape, "queue", user, on: lab.mailboxes, in: lab) }
            #expect(try lab.maildrop(of: user, at: "a").count == shapes.count)
            // By the command; the queue's own next run would not be in this log.
            try lab.wait(for: "the flush") {
                try lab.exec("mh1", "cat", "/var/log/covey-milter.log").text.split(separator: "\n")
                    .contains { $0.contains("queue flushed") && $0.contains("server=b") }
            }
        }

        @Test func `With all servers down the sender is asked to retry`() throws {
            let lab = try Lab.current
            let user = "u3@example.com"
            try lab.warmUp([user], at: "mh1")
            for server in lab.mailboxes { try lab.stop(.dovecot, on: server, signal: "KILL") }
            let first = try lab.send(note("Retried"), to: [user])
            #expect(first.recipients[0].code == 250, "known from before")
            #expect(first.message?.code == 451, "\(first)")
            let stranger = try lab.send(note("Retried"), to: ["u4@example.com"])
            #expect(stranger.recipients[0].code == 451, "\(stranger)")
            #expect(try lab.queue(of: "mh1") == [])
            for server in lab.mailboxes { try lab.start(.dovecot, on: server) }
            try lab.wait(
                for: "the retry at the other hub", { try lab.send(note("Retried"), to: [user], at: "mh2") },
                until: { $0.isAccepted })
            #expect(Set(try lab.copies(for: user).values.map { $0[0].ids }).count == 1)
        }

        @Test func `With the milter down nobody gets through unseen`() throws {
            let lab = try Lab.current
            try lab.stop(.milter, on: "mh2")
            let outcome = try? lab.send(note("Unseen"), to: ["u5@example.com"], at: "mh2")
            #expect(outcome.map { !$0.isAccepted } ?? true, "\(String(describing: outcome))")
            try lab.start(.milter, on: "mh2")
            #expect(try lab.stored(for: "u5@example.com", on: "a") == [])
        }

        @Test func `Unknown users are refused at RCPT`() throws {
            let lab = try Lab.current
            let outcome = try lab.send(note("For nobody"), to: ["nobody@example.com", "u6@example.com"])
            #expect(outcome.recipients.map(\.code) == [550, 250], "\(outcome)")
            #expect(outcome.recipients[0].text.contains("5.1.1"))
            #expect(outcome.isAccepted)
            try lab.copies(for: "u6@example.com", within: 0)
        }

        @Test func `A message for a user and a remote recipient reaches both, once`() throws {
            let lab = try Lab.current
            let site = try RemoteSite(lab)
            let outcome = try lab.send(note("For both"), to: ["carl@remote.test", "u7@example.com"])
            #expect(outcome.isAccepted, "\(outcome)")
            let copies = try lab.copies(for: "u7@example.com", within: 0)
            let arrived = try lab.wait(
                for: "the remote copy", { try site.messages("For both note") }, until: { !$0.isEmpty })
            #expect(arrived.count == 1)
            #expect(arrived[0].values(of: "X-Rcpt-Args") == ["<carl@remote.test>"])
            #expect(Set(copies.values.map { $0[0].ids } + [arrived[0].ids]).count == 1)
            try lab.wait(for: "an empty queue", { try lab.queue(of: "mh1") }, until: \.isEmpty)
        }

        @Test func `Mail from sendmail(1) on the hub arrives once, and bounces for those that do not exist`() throws {
            let lab = try Lab.current
            let (user, sender) = ("u8@example.com", "u9@example.com")
            let output = try lab.attempt(
                "mh2", ["sendmail", "-f", sender, "-oi", user, "missing@example.com"],
                input: text("Subject: From the hub\nX-UIDL: \(forgedID)\n\nlocal\n"))
            // EX_NOUSER of sysexits(3): the front door refused one of the two while sendmail(1) was there to hear it.
            #expect(output.status == 67, "\(output)")
            let copies = try lab.copies(for: user)
            #expect(Set(copies.values.map { $0[0].ids }).count == 1, "\(copies)")
            #expect(copies["a"]?[0].ids.count == 1 && copies["a"]?[0].ids != [forgedID])
            let bounces = try lab.copies(for: sender)
            let bounce = String(decoding: bounces["b"]?[0].body ?? [], as: UTF8.self)
            #expect(bounce.contains("missing@example.com"))
            try settled("mh2", lab)
            for name in [user, sender] { try lab.copies(for: name, within: 0) }
        }

        @Test func `Aliases, local forwards and the virtusertable reach each mailbox once, through the back door`()
            throws
        {
            let lab = try Lab.current
            let hub = "mh1"
            try lab.shell(
                hub,
                """
                cd /etc/mail
                printf 'team: u10@example.com, u11@example.com\\nlost: missing@example.com\\n' >>aliases
                newaliases
                useradd --create-home fred && echo u12@example.com >/home/fred/.forward && chown fred: /home/fred/.forward
                sed -i '/^MAILER_DEFINITIONS/i FEATURE(`virtusertable'"'"')dnl\\nVIRTUSER_DOMAIN(`example.com'"'"')dnl' sendmail.mc
                printf '%s\\t%s\\n' info@example.com u13@example.com u14@example.com u15@example.com >virtusertable
                makemap hash virtusertable <virtusertable; chgrp smmsp virtusertable.db; chmod 640 virtusertable.db
                m4 sendmail.mc >sendmail.cf
                """)
            try lab.stop(.sendmail, on: hub)
            try lab.start(.sendmail, on: hub)
            let before = try visits(hub, lab)
            let local = try lab.send(
                note("For aliases"), to: ["team@\(hub).example.com", "fred@\(hub).example.com", "info@example.com"])
            #expect(local.isAccepted && local.recipients.allSatisfy { $0.code == 250 }, "\(local)")
            var ids: Set<[String]> = []
            for number in 10...13 {
                ids.formUnion(try lab.copies(for: "u\(number)@example.com").values.map { $0[0].ids })
            }
            #expect(ids.count == 1, "one message, one id: \(ids)")
            // A mailbox whose mail the table sends elsewhere is no mailbox to Sendmail.
            let moved = try lab.send(note("Moved"), to: ["u14@example.com"])
            #expect(moved.isAccepted, "\(moved)")
            try lab.copies(for: "u15@example.com")
            let lost = try lab.send(note("Lost"), to: ["lost@\(hub).example.com"], from: "u16@example.com")
            #expect(lost.isAccepted, "\(lost)")
            try lab.copies(for: "u16@example.com") {
                $0.subject.contains("Undeliverable") || $0.subject.contains("Returned")
            }
            try settled(hub, lab)
            for number in [10, 11, 12, 13, 15, 16] { try lab.copies(for: "u\(number)@example.com", within: 0) }
            #expect(try lab.stored(for: "u14@example.com", on: "a") == [])
            let log = try lab.exec(hub, "cat", "/var/log/mail.log").text
            #expect(!log.contains("Too many hops"))
            // Five messages and a bounce, each once: nothing goes round.
            #expect(try visits(hub, lab) - before == 6, "\(log)")
        }

        /// How many messages the back door has seen.
        private func visits(_ hub: String, _ lab: Lab) throws -> Int {
            try lab.exec(hub, "cat", "/var/log/covey-milter.log").text.split(separator: "\n")
                .filter { $0.contains("door=back") }.count
        }

        @Test(
            "A sender's own X-UIDL never survives",
            arguments: [["X-UIDL: \(forgedID)"], ["x-uidl:\n\t\(forgedID)", "X-Uidl: b"]])
        func forged(fields: [String]) throws {
            let lab = try Lab.current
            let subject = "Forged \(fields.count)"
            #expect(try lab.send(note(subject, fields: fields), to: ["u17@example.com"]).isAccepted)
            try lab.stop(.dovecot, on: "a")
            #expect(try lab.send(note(subject + " queued", fields: fields), to: ["u17@example.com"]).isAccepted)
            try lab.start(.dovecot, on: "a")
            for name in [subject, subject + " queued"] {
                let copies = try lab.copies(for: "u17@example.com", within: 60) { $0.subject == name + " note" }
                let ids = copies.values.map { $0[0].ids }
                #expect(ids.allSatisfy { $0 == ids[0] && $0.count == 1 && $0 != [forgedID] }, "\(ids)")
            }
        }

        @Test(
            "Addresses that are the cluster's own business are refused to everybody",
            arguments: [
                "u18@example.com.a.covey.invalid", "u18@Example.com.b.Covey.Invalid", "x@covey.invalid",
                "u18%example.com.a.covey.invalid@mh1.example.com", "covey-journal@example.com",
                "COVEY-Journal@Example.com", "covey-journal+x@example.com", "\"covey-journal\"@example.com",
                "covey-journal%example.com@mh1.example.com",
            ])
        func internalAddresses(address: String) throws {
            let lab = try Lab.current
            let outcome = try lab.send(note("For internal use"), to: [address])
            #expect((500..<600).contains(outcome.recipients[0].code), "\(outcome)")
            let swaks = try lab.attempt(
                "client", ["swaks", "--server", "mh1", "--from", "eve@elsewhere.example", "--to", address])
            #expect(swaks.status == 24 && swaks.text.contains("<** 5"), "\(swaks)")
            let inside = try lab.attempt(
                "mh1", ["swaks", "--server", "127.0.0.1:10035", "--from", "eve@elsewhere.example", "--to", address])
            #expect(inside.status == 24 && inside.text.contains("<** 5"), "\(inside)")
            try settled("mh1", lab)
            for server in lab.mailboxes {
                #expect(try lab.stored(for: "u18@example.com", on: server) == [])
                #expect(
                    try lab.stored(for: "covey-journal@example.com", on: server)
                        .allSatisfy { $0.subject != "For internal use note" })
            }
        }

        @Test func `The back door relays for nobody`() throws {
            let lab = try Lab.current
            let swaks = try lab.attempt(
                "mh1", ["swaks", "--server", "127.0.0.1:10035", "--from", "u1@example.com", "--to", "bob@remote.test"])
            #expect(swaks.status == 24 && swaks.text.contains("<** 5"), "\(swaks)")
            let outside = try lab.attempt("client", ["swaks", "--server", "mh1:10035", "--to", "u1@example.com"])
            #expect(outside.status == 2, "no connection: \(outside)")
        }

        // MARK: helpers

        /// One copy on each server, with one id and the body as it was sent.
        private func verify(
            _ shape: MessageShape, _ token: String, _ user: String, on servers: [String], in lab: Lab,
            within seconds: Double = 30
        ) throws {
            let copies = try lab.copies(for: user, on: servers, within: seconds) {
                $0.subject == "\(shape.name) \(token)"
            }.mapValues { $0[0] }
            let ids = copies.values.map(\.ids)
            #expect(ids.allSatisfy { $0 == ids[0] && $0.count == 1 }, "\(shape.name): \(copies)")
            for (server, copy) in copies {
                let isEqual = copy.body == shape.storedBody
                #expect(
                    isEqual,
                    """
                    \(shape.name) on \(server): a body of \(copy.body.count) octets instead of \
                    \(shape.storedBody.count): \(String(decoding: copy.body.prefix(100), as: UTF8.self).debugDescription)
                    """)
            }
        }

        /// Nothing is under way any more, and nothing keeps going round.
        private func settled(_ hub: String, _ lab: Lab) throws {
            try lab.wait(for: "an empty queue", { try lab.queue(of: hub) }, until: \.isEmpty)
        }
    }
}
