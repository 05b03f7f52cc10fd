import TestSupport
import Testing

extension RealServers {
    /// Tables of virtual_alias_maps that stand for a whole domain, or match by patterns (regexp_table(5), pcre_table(5)).
    @Suite struct CatchAlls {
        private static let hub = "mh2"
        /// In all tables: who gets what nobody else gets, and the two behind "team".
        private static let (rest, pair) = ("catcher3@example.com", ["catcher1@example.com", "catcher2@example.com"])

        enum Table: String, CaseIterable {
            case hash, regexp, pcre

            var lines: [String] {
                switch self {
                // A catch-all of a domain catches its users too, unless they have an entry of their own (virtual(5)).
                case .hash:
                    pair.map { "\($0) \($0)" } + [
                        "team-all@example.com \(pair[0]), \(pair[1])", "@example.com \(rest)",
                    ]
                case .regexp:
                    [
                        #"/^(catcher[12])@example\.com$/ ${1}@example.com"#,
                        #"/^team(-.*)?@example\.com$/ \#(pair[0]), \#(pair[1])"#, #"/@example\.com$/ \#(rest)"#,
                    ]
                // Knows nothing of the users: their mail is stored before Postfix has it, and missing copies come by here.
                case .pcre:
                    [
                        #"/^team(-.*)?@example\.com$/ \#(pair[0]), \#(pair[1])"#,
                        #"/^(?!catcher\d)[^@]+@example\.com$/ \#(rest)"#,
                    ]
                }
            }
        }

        @Test(
            "Behind a catch-all every mailbox gets its mail once, and missing copies pass by", arguments: Table.allCases
        )
        func catchAll(table: Table) throws {
            let lab = try Lab.current
            let hub = CatchAlls.hub
            let users = CatchAlls.pair + [CatchAlls.rest]
            try lab.addUsers(users)
            defer { try? lab.removeUsers(users) }
            try lab.waitForHubsToSeeAllServers()
            defer { leave(lab) }
            try enter(lab, table)

            // One message for the pair, for somebody unknown, and for a user of another domain.
            let neighbour = "u51@example.org"
            func isFirst(_ message: StoredMessage) -> Bool { message.subject == "Caught by \(table) note" }
            let first = try lab.send(
                note("Caught by \(table)"), to: ["team-all@example.com", "whoever@example.com", neighbour], at: hub)
            #expect(first.isAccepted && first.recipients.allSatisfy { $0.code == 250 }, "\(first)")
            var ids: Set<[String]> = []
            for user in users + [neighbour] {
                ids.formUnion(try lab.copies(for: user, where: isFirst).values.map { $0[0].ids })
            }
            #expect(ids.count == 1, "\(ids)")

            try lab.warmUp([CatchAlls.pair[0]], at: hub)
            try lab.stop(.dovecot, on: "c", signal: "KILL")
            let alone = try lab.send(note("Alone by \(table)"), to: [CatchAlls.pair[0], neighbour], at: hub)
            #expect(alone.isAccepted, "\(alone)")
            let both = try lab.send(
                note("Both by \(table)"), to: ["team-all@example.com", "whoever@example.com"], at: hub)
            #expect(both.isAccepted, "\(both)")
            let expected = ([CatchAlls.pair[0], neighbour] + users).map { "\($0).c.covey.invalid" }.sorted()
            try lab.wait(
                for: "nothing but the copies for c in the queue", { try lab.queuedRecipients(of: hub) },
                until: { $0 == expected })
            try lab.start(.dovecot, on: "c")
            try lab.emptyQueue(of: hub)
            for (user, count) in zip(users, [3, 2, 2]) {
                let copies = try lab.copies(for: user, count: count).values.map { $0.flatMap(\.ids).sorted() }
                #expect(Set(copies).count == 1 && Set(copies[0]).count == count, "\(user): \(copies)")
            }
            for name in ["Caught", "Alone"] {
                try lab.copies(for: neighbour, within: 0) { $0.subject == "\(name) by \(table) note" }
            }
        }

        /// Without its end a pattern for the domain matches the addresses of missing copies as well.
        @Test(
            "Setup stops at a catch-all that would catch missing copies, and says which",
            arguments: [
                #"/@example\.org/ u1@example.org"#, "/./ u1@example.org",
            ])
        func refused(line: String) throws {
            let lab = try Lab.current
            defer { leave(lab) }
            try save(lab)
            try write([line], .regexp, lab)
            let output = try lab.attempt(CatchAlls.hub, ["sh", "-c", CatchAlls.setup])
            #expect(output.status == 1, "\(output)")
            for words in [
                "nothing was changed", "virtual_alias_maps: regexp:/etc/postfix/catchall answers \"u1@example.org\"",
                "let its patterns leave example.org.a.covey.invalid alone",
            ] { #expect(output.text.contains(words), "\(words): \(output)") }
        }

        private static let setup = "/usr/share/covey/postfix/setup --host \(hub)"

        private func save(_ lab: Lab) throws {
            try lab.shell(
                CatchAlls.hub,
                "cp -a /etc/postfix/main.cf /root/main.cf; cp -a /etc/covey/cluster.toml /root/cluster.toml")
        }

        private func write(_ lines: [String], _ table: Table, _ lab: Lab) throws {
            try lab.exec(
                CatchAlls.hub, "tee", "/etc/postfix/catchall", input: text(lines.map { $0 + "\n" }.joined()))
            try lab.shell(CatchAlls.hub, "postconf -e virtual_alias_maps=\(table):/etc/postfix/catchall")
        }

        private func enter(_ lab: Lab, _ table: Table) throws {
            try save(lab)
            try write(table.lines, table, lab)
            try lab.shell(
                CatchAlls.hub,
                """
                if [[ \(table) == hash ]]; then postmap /etc/postfix/catchall; fi
                \(CatchAlls.setup)
                grep -F '\(table):/etc/postfix/catchall' /etc/covey/cluster.toml
                """)
            try restartMilter(lab)
        }

        private func leave(_ lab: Lab) {
            _ = try? lab.shell(
                CatchAlls.hub,
                """
                cp -a /root/main.cf /etc/postfix/main.cf; cp -a /root/cluster.toml /etc/covey/cluster.toml
                rm -f /etc/postfix/catchall*
                postfix reload
                """)
            try? restartMilter(lab)
            try? lab.start(.dovecot, on: "c")
        }

        private func restartMilter(_ lab: Lab) throws {
            try lab.stop(.milter, on: CatchAlls.hub)
            try lab.start(.milter, on: CatchAlls.hub)
        }
    }
}
