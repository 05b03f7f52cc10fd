import TestSupport
import Testing

extension RealServers {
    /// `postfix/setup` on a real Postfix, as Debian ships it: chrooted services, stock main.cf.
    @Suite struct Setup {
        private static let hub = "mh2"
        private static let setup = "/usr/share/covey/postfix/setup --config /etc/covey/cluster.toml --host mh2"

        /// Every file that setup may touch, with its mode, owner and octets, as one text.
        private func state(_ lab: Lab) throws -> String {
            try lab.shell(
                Setup.hub,
                """
                find /etc/postfix /etc/covey -printf '%p %M %u:%g\\n' | sort
                find /etc/postfix /etc/covey -type f -print0 | sort -z | xargs -0 sha256sum
                stat -c '%n %A %U:%G' /var/spool/postfix/covey
                """
            ).text
        }

        @Test func `A second run changes nothing and says so`() throws {
            let lab = try Lab.current
            let before = try state(lab)
            let output = try lab.shell(Setup.hub, Setup.setup)
            #expect(output.line == "nothing to change")
            #expect(try state(lab) == before)
        }

        @Test func `Undo gives back every octet, print changes nothing, and setup is repeatable`() throws {
            let lab = try Lab.current
            // Something of the administrator's own, in a form that postconf would write otherwise.
            try lab.shell(
                Setup.hub,
                """
                \(Setup.setup) --undo
                printf '# my own\\nsmtpd_milters =\\n   inet:127.0.0.1:9,\\n   unix:other.sock\\n' >>/etc/postfix/main.cf
                """)
            defer {
                _ = try? lab.shell(
                    Setup.hub,
                    """
                    \(Setup.setup) --undo
                    sed -i '/^# my own/,$d' /etc/postfix/main.cf
                    \(Setup.setup)
                    """)
            }
            let original = try state(lab)
            let main = try lab.exec(Setup.hub, "cat", "/etc/postfix/main.cf", "/etc/postfix/master.cf").text
            #expect(!main.contains("covey"))

            let shown = try lab.shell(Setup.hub, "\(Setup.setup) --print").text
            #expect(try state(lab) == original)
            #expect(shown.contains("+in_flow_delay = 0") && shown.contains("nothing was changed (--print)"), "\(shown)")

            try lab.shell(Setup.hub, Setup.setup)
            let configured = try state(lab)
            #expect(configured != original)
            let milters = try lab.exec(Setup.hub, "postconf", "-xh", "smtpd_milters").line
            #expect(milters.hasPrefix("inet:127.0.0.1:9"), "\(milters)")
            #expect(
                milters.contains("default_action=tempfail") && milters.hasSuffix("}"), "ours is the last: \(milters)")

            let undoShown = try lab.shell(Setup.hub, "\(Setup.setup) --undo --print").text
            #expect(undoShown.contains("-in_flow_delay = 0"), "\(undoShown)")
            #expect(try state(lab) == configured)

            try lab.shell(Setup.hub, "\(Setup.setup) --undo")
            #expect(try state(lab) == original)
            #expect(try lab.shell(Setup.hub, "\(Setup.setup) --undo").line == "nothing to undo")
        }

        /// What an administrator has added since must survive.
        @Test func `Undo after somebody else's change takes out only what is ours`() throws {
            let lab = try Lab.current
            try lab.exec(Setup.hub, "postconf", "-e", "smtpd_client_connection_count_limit = 33")
            defer {
                _ = try? lab.shell(
                    Setup.hub, "postconf -X smtpd_client_connection_count_limit; \(Setup.setup) && postfix reload")
            }
            try lab.shell(Setup.hub, "\(Setup.setup) --undo")
            let settings = try lab.exec(Setup.hub, "postconf", "-n").text
            #expect(settings.contains("smtpd_client_connection_count_limit = 33"))
            #expect(!settings.contains("covey"), "\(settings)")
            #expect(!(try lab.exec(Setup.hub, "postconf", "-M").text.contains("covey")))
        }

        /// What contradicts, how it gets there, and what the administrator must read.
        struct Contradiction: Sendable, CustomTestStringConvertible {
            var name: String
            var command: String
            var words: [String]
            var testDescription: String { name }
        }

        static let contradictions = [
            Contradiction(
                name: "a cluster domain in mydestination",
                command: "postconf -e 'mydestination = $myhostname, Example.COM'",
                words: ["mydestination lists example.com", "postconf -e"]),
            Contradiction(
                name: "a cluster domain in virtual_mailbox_domains",
                command: "postconf -e 'virtual_mailbox_domains = example.org'",
                words: ["virtual_mailbox_domains lists example.org", "postconf -e"]),
            Contradiction(
                name: "a cluster domain in a table of virtual_alias_domains",
                command:
                    "echo 'example.org x' >/etc/postfix/doms; postmap /etc/postfix/doms; postconf -e 'virtual_alias_domains = hash:/etc/postfix/doms'",
                words: ["virtual_alias_domains", "hash:/etc/postfix/doms", "example.org", "remove that line"]),
            Contradiction(
                name: "smtpd_proxy_filter in master.cf",
                command: "postconf -P 'smtp/inet/smtpd_proxy_filter=127.0.0.1:10026'",
                words: ["smtpd_proxy_filter", "master.cf", "smtp/inet", "smtpd_milters"]),
            Contradiction(
                name: "an after-queue content filter",
                command: "postconf -e 'content_filter = smtp-amavis:[127.0.0.1]:10024'",
                words: ["content_filter is set in main.cf", "milter.delivery = \"queued\""]),
            Contradiction(
                name: "a milter after ours", command: "postconf -e 'smtpd_milters = $covey_milter, inet:127.0.0.1:9'",
                words: ["smtpd_milters in main.cf", "inet:127.0.0.1:9 stands after", "move it before"]),
        ]

        @Test("Setup stops at what contradicts, with the remedy, before it changes anything", arguments: contradictions)
        func stops(contradiction: Contradiction) throws {
            let lab = try Lab.current
            try lab.shell(
                Setup.hub, "cp -a /etc/postfix/main.cf /etc/postfix/master.cf /root/; \(contradiction.command)")
            defer {
                _ = try? lab.shell(
                    Setup.hub, "cp -a /root/main.cf /root/master.cf /etc/postfix/; rm -f /etc/postfix/doms*")
            }
            let before = try state(lab)
            let output = try lab.attempt(Setup.hub, ["sh", "-c", Setup.setup])
            #expect(output.status == 1, "\(output)")
            #expect(output.text.contains("nothing was changed"), "\(output)")
            for words in contradiction.words { #expect(output.text.contains(words), "\(words): \(output)") }
            #expect(try state(lab) == before)
        }
    }
}
