import TestSupport
import Testing

extension RealServers {
    /// Mailbox servers that are classic machines: Postfix on port 25 delivers to the Maildirs that Dovecot serves by POP3
    /// with unique-ids of its own. One reply after DATA stands for all recipients. A third server has LMTP.
    @Suite(.lab(mailboxes: 3, suffix: "-smtp", smtp: ["a", "b"])) struct SMTPMailboxes {
        private static let shapes = MessageShape.all

        @Test("A message is on all servers as it was sent", arguments: shapes)
        func direct(shape: MessageShape) throws {
            let lab = try Lab.current
            let user = "u1@example.com"
            let outcome = try lab.send(
                shape.octets(token: "direct"), to: [user, "nobody@example.com"], parameters: shape.parameters,
                transfer: shape.transfer)
            #expect(outcome.recipients.map(\.code) == [250, 550], "\(outcome)")
            try #require(outcome.isAccepted, "\(outcome)")
            try shape.verify(token: "direct", user: user, on: lab.mailboxes, in: lab)
            #expect(try lab.queue(of: "mh1") == [])
        }

        @Test func `What a server missed comes by SMTP from the queue, equal to the others`() throws {
            let lab = try Lab.current
            let user = "u2@example.com"
            try lab.warmUp([user], at: "mh1")
            try lab.stop(.postfix, on: "b")
            for shape in Self.shapes {
                let outcome = try lab.send(
                    shape.octets(token: "queue"), to: [user], parameters: shape.parameters, transfer: shape.transfer)
                #expect(outcome.isAccepted, "\(shape.name): \(outcome)")
            }
            #expect(
                try lab.queuedRecipients(of: "mh1", for: user) == Self.shapes.map { _ in "\(user).b.covey.invalid" })
            try lab.start(.postfix, on: "b")
            try lab.wait(for: "an empty queue", within: 90, { try lab.queuedRecipients(of: "mh1") }, until: \.isEmpty)
            for shape in Self.shapes { try shape.verify(token: "queue", user: user, on: lab.mailboxes, in: lab) }
            let log = try lab.exec("mh1", "cat", "/var/log/mail.log").text
            #expect(log.contains("postfix/covey-smtp/smtp["))
        }

        @Test func `Proxies know a message by its id, whatever unique-id each server gives it`() throws {
            let lab = try Lab.current
            let user = "u3@example.com"
            for number in 1...3 {
                #expect(try lab.send(note("Number \(number)"), to: [user]).isAccepted)
                try lab.copies(for: user, count: number)
            }
            let ids = Set(try lab.stored(for: user, on: "c").flatMap(\.ids))
            for proxy in lab.mailboxes {
                let maildrop = try lab.maildrop(of: user, at: proxy)
                #expect(maildrop.count == 3 && Set(maildrop) == ids, "\(proxy): \(maildrop)")
            }
            let session = try lab.session(user, at: "b")
            try session.expectOK("RETR 2")
            #expect(try session.lines().contains("X-UIDL: \(try lab.maildrop(of: user, at: "a")[1])"))
            try session.expectOK("DELE 2")
            #expect(try session.command("QUIT").hasPrefix("+OK"))
            #expect(try lab.counts(for: user) == [2, 2, 2])
        }

        @Test("One reply after DATA is for all recipients", arguments: ["defer", "reject"])
        func failureAfterData(action: String) throws {
            let lab = try Lab.current
            let users =
                action == "defer" ? ["u4@example.com", "u5@example.com"] : ["u6@example.com", "u7@example.com"]
            try lab.warmUp(users, at: "mh1")
            try lab.exec("a", "postconf", "-e", "smtpd_end_of_data_restrictions = \(action)")
            try restartPostfix(on: "a", lab)
            let outcome = try lab.send(note("For two"), to: users)
            #expect(outcome.isAccepted, "\(outcome)")
            for user in users { try lab.copies(for: user, on: ["b", "c"]) }
            #expect(try lab.queuedRecipients(of: "mh1") == users.map { "\($0).a.covey.invalid" })
            // Tried again, and still there: also where it was refused for good.
            try lab.exec("mh1", "postqueue", "-f")
            try lab.wait(for: "a try", { try lab.queue(of: "mh1").flatMap(\.recipients) }) { recipients in
                recipients.count == 2 && recipients.allSatisfy { $0.delayReason?.contains("end of DATA") == true }
            }
            try lab.exec("a", "postconf", "-X", "smtpd_end_of_data_restrictions")
            try restartPostfix(on: "a", lab)
            try lab.emptyQueue(of: "mh1")
            for user in users {
                let copies = try lab.copies(for: user)
                #expect(Set(copies.values.map { $0[0].ids }).count == 1, "\(copies)")
            }
        }

        @Test(
            "A copy that a server refuses for good is kept, reported, and arrives after the repair",
            arguments: ["b", "c"])
        func drift(server: String) throws {
            let lab = try Lab.current
            let user = server == "b" ? "u8@example.com" : "u9@example.com"
            try lab.shell(
                server,
                """
                cp -a /etc/dovecot/users /root/users; sed -i '/^\(user):/d' /etc/dovecot/users
                if [ -e /etc/postfix/mailboxes ]; then
                    cp -a /etc/postfix/mailboxes /root/; sed -i '/^\(user) /d' /etc/postfix/mailboxes
                    postmap /etc/postfix/mailboxes
                fi
                """)
            if server == "b" { try restartPostfix(on: "b", lab) }
            let outcome = try lab.send(note("Drift"), to: [user])
            #expect(outcome.isAccepted, "\(outcome)")
            let reason = try lab.wait(
                for: "the refusal", { try lab.queue(of: "mh1").flatMap(\.recipients) },
                until: { $0.first?.delayReason != nil })[0]
            #expect(
                reason.address == "\(user).\(server).covey.invalid" && reason.delayReason?.contains("said: 550") == true
            )
            // It looks at its queue when it starts.
            try lab.stop(.milter, on: "mh1")
            try lab.start(.milter, on: "mh1")
            try lab.wait(for: "the alarm") {
                try lab.milterLog(of: "mh1").split(separator: "\n").contains {
                    $0.contains(" error ") && $0.contains(" recipient=\(user) ") && $0.contains(" server=\(server) ")
                        && $0.hasSuffix("missing copy refused for good")
                }
            }
            try lab.shell(
                server,
                """
                cp -a /root/users /etc/dovecot/users
                if [ -e /root/mailboxes ]; then
                    cp -a /root/mailboxes /etc/postfix/; postmap /etc/postfix/mailboxes
                fi
                """)
            if server == "b" { try restartPostfix(on: "b", lab) }
            // Again and again: Dovecot may look at its users' file a moment later.
            try lab.emptyQueue(of: "mh1")
            let copies = try lab.copies(for: user)
            #expect(Set(copies.values.map { $0[0].ids }).count == 1, "\(copies)")
        }

        /// A reload would leave the connections that the hub keeps open to processes with the old settings.
        private func restartPostfix(on server: String, _ lab: Lab) throws {
            try lab.stop(.postfix, on: server)
            try lab.start(.postfix, on: server)
            try lab.waitForHubsToSeeAllServers(["mh1"])
        }
    }
}
