import Foundation
import TestSupport
import Testing

extension RealServers {
    /// What is one message to a user, and what are two (design §3).
    @Suite struct Identities {
        @Test func `One text sent twice without Message-ID, a second apart, is two messages`() throws {
            let lab = try Lab.current
            let user = "u52@example.org"
            for second in 1...2 {
                let message = text(
                    """
                    From: ann@elsewhere.example\r\nTo: \(user)\r\nSubject: Nameless\r
                    Date: Thu, 1 Oct 2026 12:00:0\(second) +0000\r\n\r\nSame.\r\n
                    """)
                #expect(try lab.send(message, to: [user]).isAccepted)
            }
            try expectMessages(2, for: user, copies: 2)
        }

        @Test func `One text sent twice without Message-ID, Date and Received is two messages`() throws {
            let lab = try Lab.current
            let user = "u53@example.org"
            let message = text("From: ann@elsewhere.example\r\nSubject: Bare\r\n\r\nSame.\r\n")
            for _ in 1...2 { #expect(try lab.send(message, to: [user]).isAccepted) }
            try expectMessages(2, for: user, copies: 2)
        }

        @Test func `A message and its copy from a mailing list are two messages`() throws {
            let lab = try Lab.current
            let user = "u54@example.org"
            let trace = "Received: from list.remote.test by out.remote.test; Thu, 1 Oct 2026 12:00:01 +0000"
            #expect(try lab.send(note("Listed"), to: [user]).isAccepted)
            #expect(try lab.send(note("Listed", fields: ["List-Id: <birds.remote.test>"]), to: [user]).isAccepted)
            // A list that leaves no mark but its trace.
            #expect(try lab.send(text(trace + "\r\n") + note("Listed"), to: [user], at: "mh2").isAccepted)
            try expectMessages(3, for: user, copies: 3)
        }

        @Test func `A redirect of a message that its owner has deleted is seen`() throws {
            let lab = try Lab.current
            let user = "u55@example.org"
            #expect(try lab.send(note("Redirected"), to: [user]).isAccepted)
            let session = try lab.session(user, at: "a")
            try session.expectOK("DELE 1")
            try session.expectOK("QUIT")
            #expect(try lab.maildrop(of: user, at: "b") == [])
            // RFC 5322 §3.6.6: the message as it was, with fields of the resender above it.
            let resent = "Resent-From: bob@remote.test\r\nResent-Date: Fri, 2 Oct 2026 12:00:00 +0000\r\n"
            #expect(try lab.send(text(resent) + note("Redirected"), to: [user]).isAccepted)
            try expectMessages(1, for: user, copies: 1)
            // What was deleted does not come back: a late retry of the first one.
            #expect(try lab.send(note("Redirected"), to: [user], at: "mh2").isAccepted)
            #expect(try lab.maildrop(of: user, at: "c").count == 1)
        }

        @Test func `One message at the front door of one hub and the back door of the other is one`() throws {
            let lab = try Lab.current
            let user = "u56@example.org"
            defer { _ = try? lab.shell("mh2", "postconf -X virtual_alias_maps && postfix reload") }
            try lab.exec("mh2", "postconf", "-e", "virtual_alias_maps = inline:{ identity@example.org=\(user) }")
            try lab.exec("mh2", "postfix", "reload")
            #expect(try lab.send(note("Two doors"), to: [user], at: "mh1").isAccepted)
            // No mailbox server knows the alias: the front door stamps the message and leaves it to Postfix.
            try lab.wait(
                for: "the alias", { try lab.send(note("Two doors"), to: ["identity@example.org"], at: "mh2") },
                until: \.isAccepted)
            try expectMessages(1, for: user, copies: 2)
        }

        @Test func `One message through greylisting and a spam filter that adds another score each time is one`() throws
        {
            let lab = try Lab.current
            let (hub, user) = ("mh2", "u57@example.org")
            defer {
                _ = try? lab.shell(
                    hub, "postconf -X smtpd_client_restrictions && postfix reload; pkill -F /run/postgrey.pid")
            }
            try lab.shell(
                hub,
                """
                setsid postgrey --inet=127.0.0.1:10023 --delay=2 --user=postgrey --group=postgrey \
                    </dev/null >/var/log/postgrey.log 2>&1 &
                echo $! >/run/postgrey.pid
                """)
            try lab.wait(for: "postgrey") {
                try lab.attempt(hub, ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/10023"]).status == 0
            }
            // As a filter before ours puts it.
            func score(_ score: String) throws {
                try lab.exec(
                    hub, "postconf", "-e",
                    """
                    smtpd_client_restrictions = check_policy_service inet:127.0.0.1:10023, \
                    check_client_access static:{PREPEND X-Spam-Score: \(score)}
                    """)
                try lab.exec(hub, "postfix", "reload")
            }
            func stored() throws -> [StoredMessage] { try lab.stored(for: user, on: "a") }
            let message = note("Filtered")
            try score("1.7")
            // The processes that know nothing of the change serve their last clients.
            let first = try lab.wait(
                for: "greylisting", { try lab.send(message, to: [user], at: hub) },
                until: { $0.recipients.first?.isTransient == true })
            #expect(first.recipients[0].text.contains("Greylisted"), "\(first)")
            let before = try stored().count
            func waitFor(_ field: String, _ start: String) throws {
                try lab.wait(for: "a message with \(field): \(start)") {
                    guard try lab.send(message, to: [user], at: hub).isAccepted else { return false }
                    return try stored().contains { $0.values(of: field).contains { $0.hasPrefix(start) } }
                }
            }
            try waitFor("X-Greylist", "delayed ")
            try score("4.2")
            try waitFor("X-Spam-Score", "4.2")
            // And by the other hub, where nobody delays anything.
            #expect(try lab.send(message, to: [user], at: "mh1").isAccepted)
            let all = try lab.mailboxes.flatMap { try lab.stored(for: user, on: $0) }
            let scores = Set(all.map { $0.values(of: "X-Spam-Score") })
            #expect(scores.isSuperset(of: [["1.7"], ["4.2"], []]), "both passed the filters, the last one none")
            #expect(try stored().count >= before + 3)
            // postgrey tells of a delay once.
            #expect(Set(all.flatMap { $0.values(of: "X-Greylist") }).count == 1, "\(all)")
            #expect(Set(all.map(\.ids)).count == 1, "\(all)")
            #expect(try lab.maildrop(of: user, at: "a").count == 1)
        }

        /// So many messages in the merged view of every proxy, from so many copies on each server.
        private func expectMessages(
            _ count: Int, for user: String, copies: Int, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let lab = try Lab.current
            let stored = try lab.copies(for: user, count: copies)
            let ids = Set(stored.values.joined().flatMap(\.ids))
            #expect(ids.count == count, "\(stored)", sourceLocation: sourceLocation)
            for proxy in lab.mailboxes {
                let seen = try lab.maildrop(of: user, at: proxy)
                #expect(seen.sorted() == ids.sorted(), "\(proxy)", sourceLocation: sourceLocation)
            }
        }
    }
}
