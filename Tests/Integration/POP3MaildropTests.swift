import TestSupport
import Testing

extension RealServers {
    /// One maildrop made of what several servers hold.
    @Suite struct POP3Maildrops {
        /// a lacks one message, c another; then all are there.
        @Test func `All proxies show the same messages in the same order, with and without a server that is down`()
            throws
        {
            let lab = try Lab.current
            let user = "u37@example.com"
            try lab.deliver([note("First"), note("Second", body: ".dot\n\nlast\n")], to: user)
            try lab.exec("a", "doveadm", "expunge", "-u", user, "mailbox", "INBOX", "subject", "First")
            try lab.stop(.dovecot, on: "c")
            try lab.deliver([note("Third")], to: user)
            let onA = try lab.stored(for: user, on: "a")
            let onB = try lab.stored(for: user, on: "b")
            func id(_ subject: String, _ messages: [StoredMessage]) throws -> String {
                try #require(messages.first { $0.subject == "\(subject) note" }?.ids.first)
            }
            // Order of the first server, then what only others hold.
            let expected = [try id("Second", onA), try id("Third", onA), try id("First", onB)]
            for proxy in lab.mailboxes { try lab.expectConsistentMaildrop(of: user, at: proxy, expected) }

            try lab.start(.dovecot, on: "c")
            try lab.wait(for: "an empty queue", { try lab.queuedRecipients(of: "mh1", for: user) }, until: \.isEmpty)
            try lab.waitForAllServers()
            for proxy in lab.mailboxes { try lab.expectConsistentMaildrop(of: user, at: proxy, expected) }
        }

        @Test func `A server that does not answer costs three logins a timeout and no other`() throws {
            let lab = try Lab.current
            let user = "u53@example.com"
            func count(_ words: String) -> Int {
                lab.log(of: "covey-pop3d", on: "a").count { $0.contains(words) && $0.contains("server=c") }
            }
            try lab.waitForAllServers(at: ["a"])
            let (skipped, letIn) = (count("is skipped at logins"), count("is let in at logins again"))
            try lab.unplug("c")
            _ = try parallel(3) { _ in try lab.maildrop(of: user, at: "a") }
            #expect(count("is skipped at logins") == skipped + 1)
            for _ in 1...5 {
                let start = ContinuousClock.now
                _ = try lab.maildrop(of: user, at: "a")
                #expect(ContinuousClock.now - start < .seconds(1.5))
            }
            try lab.plug("c")
            try lab.waitForAllServers()
            #expect(count("is let in at logins again") == letIn + 1)
        }

        @Test func `Messages that came past the hubs are merged, keep their ids and can be deleted`() throws {
            let lab = try Lab.current
            let user = "u38@example.com"
            let named = String(decoding: note("Named"), as: UTF8.self)
            let onlyOnB = String(decoding: note("Only on b"), as: UTF8.self)
            let nameless = String(
                decoding: MessageShape(name: "Nameless", body: text("Who?\n"), hasMessageID: false).octets(
                    token: "note"), as: UTF8.self)
            for (server, message) in [("a", named), ("b", named), ("b", onlyOnB), ("a", nameless), ("b", nameless)] {
                try lab.exec(
                    "client", "swaks", "--protocol", "LMTP", "--server", lab.address(of: server), "--port", "24",
                    "--from", "ann@elsewhere.example", "--to", user, "--data", "-", "--silent", "3",
                    input: text(message))
            }
            #expect(try lab.counts(for: user) == [2, 3, 0])
            let first = try lab.maildrop(of: user, at: "a")
            // Named is one message; without a Message-ID nobody can say that two are one.
            #expect(first.count == 4)
            #expect(Set(first).count == 4)
            #expect(first.allSatisfy { $0.wholeMatch(of: /cv0[a-z2-7]{26}/) != nil }, "\(first)")
            for proxy in lab.mailboxes + lab.mailboxes {
                try lab.expectConsistentMaildrop(of: user, at: proxy, first)
            }

            let session = try lab.session(user, at: "b")
            try session.expectOK("DELE 1")
            #expect(try session.command("QUIT").hasPrefix("+OK"))
            #expect(try lab.counts(for: user) == [1, 2, 0])
            for proxy in lab.mailboxes { #expect(try lab.maildrop(of: user, at: proxy) == Array(first.dropFirst())) }
            #expect(try lab.deleteAll(of: user, at: "a").answer.hasPrefix("+OK"))
            #expect(try lab.counts(for: user) == [0, 0, 0])
        }

        @Test func `Two sessions through two proxies delete overlapping messages`() throws {
            let lab = try Lab.current
            let user = "u39@example.com"
            try lab.deliver((1...7).map { note("Overlap \($0)") }, to: user)
            let one = try lab.session(user, at: "a")
            let other = try lab.session(user, at: "b")
            for number in 1...4 { try one.expectOK("DELE \(number)") }
            for number in 3...6 { try other.expectOK("DELE \(number)") }
            #expect(try one.command("QUIT").hasPrefix("+OK"))
            #expect(try other.command("QUIT").hasPrefix("+OK"))
            #expect(try lab.counts(for: user) == [1, 1, 1])
            let left = try lab.stored(for: user, on: "c")
            #expect(left.map(\.subject) == ["Overlap 7 note"])
            for proxy in lab.mailboxes { #expect(try lab.maildrop(of: user, at: proxy) == left.flatMap(\.ids)) }
        }

        @Test func `A wrong password is refused once, without delay upon delay, and charged to the client`() throws {
            let lab = try Lab.current
            let user = "u40@example.com"
            // Dovecot holds failures against an address: one that nobody else uses.
            let parts = lab.address(of: "client").split(separator: ".")
            let stranger = (parts.dropLast() + ["200"]).joined(separator: ".")
            try lab.shell(
                "client",
                "ip address add \(stranger)/24 dev \"$(ip -o route get \(lab.address(of: "a")) | sed 's/.* dev \\([^ ]*\\).*/\\1/')\""
            )
            func tryPassword(_ host: String, _ port: Int) throws -> (answer: String, seconds: Double) {
                let script = """
                    import socket, time
                    s = socket.create_connection(("\(lab.address(of: host))", \(port)), 30, ("\(stranger)", 0))
                    f = s.makefile("rwb"); f.readline()
                    f.write(b"USER \(user)\\r\\n"); f.flush(); f.readline()
                    start = time.time()
                    f.write(b"PASS wrong\\r\\n"); f.flush()
                    print(f.readline().decode().strip()); took = time.time() - start
                    # Nothing else comes.
                    s.settimeout(1)
                    try: print("more:", f.readline())
                    except TimeoutError: print(took)
                    """
                let lines = try lab.exec("client", "python3", "-c", script).line.split(separator: "\n")
                return (String(lines[0]), try #require(Double(lines[1]), "\(lines)"))
            }
            let direct = try tryPassword("c", 110)
            let proxied = try tryPassword("a", 1100)
            #expect(proxied.answer == "-ERR [AUTH] Authentication failed.")
            #expect(proxied.seconds < max(direct.seconds, 2) + 1.5, "direct: \(direct)")
            for server in ["a", "b"] {
                let lines = try lab.wait(
                    for: "the failure in \(server)'s log",
                    { lab.log(of: "dovecot", on: server).filter { $0.contains("user=<\(user)>") } },
                    until: { !$0.isEmpty })
                #expect(lines.allSatisfy { $0.contains("rip=\(stranger),") }, "\(lines)")
            }
            // Nobody else pays for it, at the same proxy.
            let start = ContinuousClock.now
            _ = try lab.maildrop(of: user, at: "a")
            #expect(ContinuousClock.now - start < .seconds(1.5))
        }
    }
}

extension Lab {
    /// Expects these ids in this order, and STAT, LIST, UIDL and RETR to agree.
    fileprivate func expectConsistentMaildrop(
        of user: String, at proxy: String, _ ids: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let session = try session(user, at: proxy)
        try session.expectOK("UIDL")
        #expect(
            try session.lines() == ids.enumerated().map { "\($0.offset + 1) \($0.element)" }, "\(proxy)",
            sourceLocation: sourceLocation)
        try session.expectOK("LIST")
        let sizes = try session.lines().map { $0.split(separator: " ").compactMap { Int($0) } }
        #expect(sizes.map(\.first) == ids.indices.map { $0 + 1 }, sourceLocation: sourceLocation)
        let stat = try session.expectOK("STAT")
        #expect(stat == "\(ids.count) \(sizes.map { $0[1] }.reduce(0, +))", sourceLocation: sourceLocation)
        for size in sizes {
            #expect(
                try session.command("LIST \(size[0])") == "+OK \(size[0]) \(size[1])", sourceLocation: sourceLocation)
            #expect(
                try session.command("UIDL \(size[0])") == "+OK \(size[0]) \(ids[size[0] - 1])",
                sourceLocation: sourceLocation)
            try session.expectOK("RETR \(size[0])")
            let octets = try session.lines().map { ($0.hasPrefix(".") ? $0.utf8.count - 1 : $0.utf8.count) + 2 }
            #expect(octets.reduce(0, +) == size[1], "\(proxy), message \(size[0])", sourceLocation: sourceLocation)
        }
        #expect(try session.command("QUIT").hasPrefix("+OK"), sourceLocation: sourceLocation)
    }
}
