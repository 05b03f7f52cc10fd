import Foundation
import TestSupport
import Testing

extension RealServers {
    /// Mail that the front door cannot simply store: for others, for aliases, from the hub itself.
    @Suite struct Routing {
        @Test func `A message for remote recipients only passes untouched`() throws {
            let lab = try Lab.current
            let site = try RemoteSite(lab)
            let stamp = "X-UIDL: \(forgedID)"
            let message = note("Remote only", fields: [stamp, "X-Folded: one\n two"], body: ".dot\n\u{0}NUL\n")
            let outcome = try lab.send(message, to: ["bob@remote.test"])
            #expect(outcome.isAccepted, "\(outcome)")
            let arrived = try lab.wait(
                for: "the message", { try site.messages("Remote only note") }, until: { $0.count == 1 })[0]
            #expect(arrived.values(of: "X-Rcpt-Args").count == 1)
            let fields = arrived.fields.drop { !$0.starts(with: text("From:")) }
            #expect(Array(fields) == StoredMessage(message.filter { $0 != UInt8(ascii: "\r") }).fields)
            #expect(arrived.body == text(".dot\n\u{0}NUL\n"))
            let log = try lab.exec("mh1", "cat", "/var/log/covey-milter.log").text
            #expect(!log.contains("Remoteonly"), "not even noted by the milter")
        }

        @Test("A message for a user and a remote recipient reaches both, once", arguments: [false, true])
        func mixed(oneServerIsDown: Bool) throws {
            let lab = try Lab.current
            let user = oneServerIsDown ? "u16@example.com" : "u15@example.com"
            let site = try RemoteSite(lab)
            if oneServerIsDown { try lab.stop(.dovecot, on: "c") }
            let outcome = try lab.send(note("For both \(oneServerIsDown)"), to: ["carl@remote.test", user])
            #expect(outcome.isAccepted, "\(outcome)")
            if oneServerIsDown { try lab.start(.dovecot, on: "c") }
            let copies = try lab.copies(for: user)
            try lab.wait(for: "an empty queue", { try lab.queue(of: "mh1") }, until: \.isEmpty)
            let arrived = try site.messages("For both \(oneServerIsDown) note")
            #expect(arrived.count == 1, "\(arrived)")
            #expect(arrived.first?.values(of: "X-Rcpt-Args").first?.contains("carl@remote.test") == true)
            let ids = Set(copies.values.map { $0[0].ids } + arrived.map(\.ids))
            #expect(ids.count == 1, "one id everywhere: \(ids)")
            _ = try lab.copies(for: user, within: 0)
        }

        @Test func `Unknown users are refused at RCPT, to neighbours and strangers alike`() throws {
            let lab = try Lab.current
            try lab.waitForHubsToSeeAllServers()
            let outcome = try lab.send(note("For nobody"), to: ["nobody@example.com", "u17@example.com"])
            #expect(outcome.recipients.map(\.code) == [550, 250], "\(outcome)")
            #expect(outcome.isAccepted)
            try lab.copies(for: "u17@example.com", within: 0)
            let swaks = try lab.attempt(
                "client", ["swaks", "--server", "mh1", "--from", "eve@elsewhere.example", "--to", "none@example.org"])
            #expect(swaks.status == 24 && swaks.text.contains("<** 550 5.1.1"), "\(swaks)")
        }

        @Test
        func `Mail from sendmail(1) on the hub reaches all mailboxes once, and bounces for those that do not exist`()
            throws
        {
            let lab = try Lab.current
            try lab.waitForHubsToSeeAllServers()
            let users = ["u18@example.com", "u50@example.org"]
            let sender = "u19@example.com"
            let message = "Subject: From the hub\nX-UIDL: \(forgedID)\n\nlocal\n"
            try lab.exec(
                "mh2", "sendmail", "-f", sender, "-oi", users[0], users[1], "missing@example.com",
                input: text(message))
            for user in users {
                let copies = try lab.copies(for: user)
                #expect(Set(copies.values.map { $0[0].ids }).count == 1, "\(copies)")
                #expect(copies["a"]?[0].ids.first?.hasPrefix("cv1") == true)
                #expect(copies["a"]?[0].ids != [forgedID])
                #expect(copies["a"]?[0].body == text("local\n"))
            }
            let bounces = try lab.copies(for: sender)
            let bounce = String(decoding: bounces["b"]?[0].body ?? [], as: UTF8.self)
            #expect(bounce.contains("missing@example.com"))
            #expect(!bounce.contains("<u18@"))
            try lab.wait(for: "an empty queue", { try lab.queue(of: "mh2") }, until: \.isEmpty)
            for user in users + [sender] { try lab.copies(for: user, within: 0) }
        }

        @Test func `Aliases on the hub reach each mailbox behind them once`() throws {
            let lab = try Lab.current
            try lab.waitForHubsToSeeAllServers()
            let hub = "mh2"
            try lab.shell(
                hub,
                """
                cp -a /etc/postfix/main.cf /root/main.cf; cp -a /etc/covey/cluster.toml /root/cluster.toml
                printf '%s\\n' 'team@example.com u20@example.com, u21@example.com' \\
                    'u22@example.com u22@example.com, u23@example.com' \\
                    'lost@example.com missing@example.com' >/etc/postfix/virtual
                postmap /etc/postfix/virtual
                postconf -e virtual_alias_maps=hash:/etc/postfix/virtual
                /usr/share/covey/postfix/setup --host \(hub)
                """)
            defer {
                _ = try? lab.shell(
                    hub,
                    """
                    cp -a /root/main.cf /etc/postfix/main.cf; cp -a /root/cluster.toml /etc/covey/cluster.toml
                    postfix reload
                    """)
                try? lab.stop(.milter, on: hub)
                try? lab.start(.milter, on: hub)
            }
            try lab.stop(.milter, on: hub)
            try lab.start(.milter, on: hub)

            let message = note("For aliases")
            let outcome = try lab.send(
                message, to: ["team@example.com", "u22@example.com", "lost@example.com"], at: hub)
            #expect(outcome.recipients.map(\.code) == [250, 250, 550], "\(outcome)")
            #expect(outcome.isAccepted, "\(outcome)")
            var ids: Set<[String]> = []
            for number in 20...23 {
                ids.formUnion(try lab.copies(for: "u\(number)@example.com").values.map { $0[0].ids })
            }
            #expect(ids.count == 1, "\(ids)")
            try lab.wait(for: "an empty queue", { try lab.queue(of: hub) }, until: \.isEmpty)
            for number in 20...23 { try lab.copies(for: "u\(number)@example.com", within: 0) }
        }

        @Test func `A mailbox server's log names who brought the mail, not the hub`() throws {
            let lab = try Lab.current
            let user = "u55@example.com"
            try lab.warmUp([user], at: "mh1")
            #expect(try lab.send(note("From whom"), to: [user]).isAccepted)
            // Dovecot tells the address at the end of a connection.
            try lab.stop(.milter, on: "mh1")
            try lab.start(.milter, on: "mh1")
            for server in lab.mailboxes {
                try lab.wait(for: "the sender's address in the log of \(server)") {
                    try lab.shell(server, "grep 'lmtp.*Disconnect from' /var/log/dovecot.log || true").text
                        .contains("Disconnect from \(lab.machineAddress):")
                }
            }
        }
    }
}

/// Looks like an id of ours.
let forgedID = "cv1" + String(repeating: "a", count: 26)
