import Foundation
import TestSupport
import Testing

/// A cluster that senders and mail programs find by its names alone: three hubs and two mailbox servers deployed from
/// nothing, BIND 9 on the host ns, whose records `scripts/emit-dns` makes, and a client that knows no address but that of
/// the name server.
extension RealServers {
    @Suite(.lab(mailboxes: 2, suffix: "-dns", bare: true, hubs: 3, dns: true)) struct Names {
        private let lab: Lab
        private let administrator: LabAdministrator
        private let zones = ["example.com", "example.org"]

        init() throws {
            lab = try Lab.current
            administrator = LabAdministrator(lab)
        }

        /// What the name server has, sorted, as dig shows it.
        private func dig(_ name: String, _ type: String) throws -> [String] {
            try lab.exec("client", "dig", "+short", name, type).text.split(separator: "\n").map(String.init).sorted()
        }

        /// What the packages' timer runs, on a hub, with the key that BIND has.
        private func apply(_ words: String..., key: String = "dns.key", server: String = "ns") throws -> CommandOutput {
            try lab.attempt(
                "mh1",
                [
                    "runuser", "-u", "covey", "--", "/usr/share/covey/emit-dns", "--apply", lab.address(of: server),
                    "--key", "/etc/covey/\(key)",
                ] + words)
        }

        private func proxies(_ names: String...) -> [String] { names.map(lab.address).sorted() }
        private func exchangers(_ hubs: String...) -> [String] { hubs.map { "10 \($0).example.com." } }

        @Test func `Deployed from nothing, found by MX, SRV and the proxies' name, and who dies leaves the names`()
            throws
        {
            let folder = try administrator.makePackages(version: "0.1.0~names")
            let output = try administrator.deploy(folder).successful("deploy").text
            for server in lab.mailboxes {
                for command in LabAdministrator.leftCommands(of: server, in: output) { try lab.shell(server, command) }
            }
            try lab.waitForHubsToSeeAllServers()
            for name in ["covey", "wrong"] {
                let key = try lab.exec("ns", "cat", "/etc/bind/\(name).key").octets
                let file = name == "covey" ? "dns.key" : "wrong.key"
                try lab.exec(
                    "mh1", "install", "-o", "root", "-g", "covey", "-m", "0640", "/dev/stdin", "/etc/covey/\(file)",
                    input: key)
            }
            try checkZoneFiles()
            try checkUpdates()
            try checkDeaths()
            try checkMail()
        }

        /// The lines for a zone file are good BIND.
        private func checkZoneFiles() throws {
            for zone in zones {
                let lines = try lab.exec("mh1", "covey", "dns", "--zone", zone).octets
                let head = "$TTL 300\n@ IN SOA ns hostmaster 1 3600 600 864000 60\n@ IN NS ns\nns IN A 192.0.2.53\n"
                try lab.exec("ns", "tee", "/tmp/\(zone)", input: Array(head.utf8) + lines)
                let check = try lab.attempt("ns", ["named-checkzone", "-i", "local", zone, "/tmp/\(zone)"])
                #expect(check.status == 0 && check.text.hasSuffix("OK\n"), "\(check)")
                #expect(!check.text.contains("ignoring out-of-zone data"), "\(check)")
            }
            let xml = try lab.exec("mh1", "covey", "dns", "--format", "autoconfig").octets
            let read = try lab.exec(
                "client", "python3", "-c",
                """
                import sys, xml.etree.ElementTree as tree
                provider = tree.parse(sys.stdin.buffer).getroot().find("emailProvider")
                print([domain.text for domain in provider.findall("domain")])
                print([(server.get("type"), server.find("hostname").text, server.find("port").text)
                       for server in provider if server.tag.endswith("Server")])
                """, input: xml
            ).text
            #expect(
                read == """
                    ['example.com', 'example.org']
                    [('pop3', 'pop.example.com', '1100'), ('smtp', 'mh1.example.com', '587'), \
                    ('smtp', 'mh2.example.com', '587'), ('smtp', 'mh3.example.com', '587')]

                    """)
        }

        private func checkUpdates() throws {
            #expect(try dig("example.com", "MX") == [])
            let refused = try apply(key: "wrong.key")
            #expect(refused.status != 0, "\(refused)")
            #expect(try dig("example.com", "MX") == [])
            // A host that is no name server: nothing is concluded from its silence.
            let silent = try apply(server: "mh2")
            #expect(silent.status == 69 && silent.description.contains("without an answer"), "\(silent)")

            for zone in zones { #expect(try apply("--zone", zone).status == 0) }
            for zone in zones {
                #expect(try dig(zone, "MX") == exchangers("mh1", "mh2", "mh3"))
                #expect(try dig("_pop3._tcp.\(zone)", "SRV") == ["10 1 1100 pop.example.com."])
                #expect(try dig("_pop3s._tcp.\(zone)", "SRV") == ["0 0 0 ."])
            }
            #expect(try dig("pop.example.com", "A") == proxies("a", "b"))
            #expect(try dig("mh3.example.com", "A") == [lab.address(of: "mh3")])
            // And nothing else was touched.
            #expect(try dig("www.example.com", "A") == ["192.0.2.80"])
            #expect(try dig("example.com", "TXT") == ["\"v=spf1 mx -all\""])
            let again = try apply("--healthy")
            #expect(again.status == 0 && again.text.hasSuffix("nothing to change.\n"), "\(again)")
            // The first address is now one proxy's, now the other's.
            let firsts = try lab.shell(
                "client", "for i in $(seq 30); do dig +short pop.example.com A | head -n 1; done"
            ).text
            #expect(Set(firsts.split(separator: "\n").map(String.init)) == Set(proxies("a", "b")))
        }

        private func checkDeaths() throws {
            func stop(_ proxy: String) throws { try lab.exec(proxy, "systemctl", "stop", "covey-pop3d") }
            func start(_ proxy: String) throws { try lab.exec(proxy, "systemctl", "start", "covey-pop3d") }
            try stop("b")
            try lab.powerOff("mh3")
            let left = try apply("--healthy", "--zone", "example.com")
            #expect(left.status == 0, "\(left)")
            #expect(
                left.text.contains("; proxy b, one of those that mail programs may use; left out, it does not answer (")
            )
            #expect(try dig("pop.example.com", "A") == proxies("a"))
            #expect(try dig("example.com", "MX") == exchangers("mh1", "mh2"))
            #expect(try dig("mh3.example.com", "A") == [lab.address(of: "mh3")])
            // The last one stays, and so do all where none is left.
            try stop("a")
            #expect(try apply("--healthy").status == 0)
            #expect(try dig("pop.example.com", "A") == proxies("a", "b"))
            try start("a")
            #expect(try apply("--healthy").status == 0)
            #expect(try dig("pop.example.com", "A") == proxies("a"))
            try start("b")
            try lab.boot("mh3")
            // The stand-in for systemd starts nothing at boot.
            try lab.exec("mh3", "systemctl", "start", "covey-milter")
            try lab.wait(for: "the hub's MTA", within: 30) {
                try apply("--healthy").status == 0 && dig("example.com", "MX").count == 3
            }
            #expect(try dig("pop.example.com", "A") == proxies("a", "b"))
        }

        /// The client's Postfix finds the hubs, and its mail program the proxies.
        private func checkMail() throws {
            try lab.shell(
                "client",
                """
                printf '127.0.0.1 localhost client.example.net client\\n' >/etc/hosts
                postconf -e myhostname=client.example.net mydestination= smtp_host_lookup=dns smtp_connection_cache_on_demand=no \
                    maillog_file=/var/log/mail.log relayhost= inet_interfaces=loopback-only
                """)
            try lab.exec("client", "getent", "ahosts", "pop.example.com")
            #expect(try lab.attempt("client", ["getent", "hosts", "nowhere.example.com"]).status != 0)
            try lab.start(.postfix, on: "client")
            let user = "u1@example.com"
            for hub in lab.hubs { try lab.warmUp([user, "u1@example.org"], at: hub) }
            try lab.shell(
                "client",
                """
                for i in $(seq 15); do
                    printf 'Subject: Found %s\\n\\nhello\\n' $i | sendmail -f ann@client.example.net \(user) u1@example.org
                done
                """)
            for user in [user, "u1@example.org"] {
                try lab.copies(for: user, count: 15, within: 60) { $0.subject.hasPrefix("Found") }
            }
            let log = try lab.exec("client", "cat", "/var/log/mail.log").text
            let hubs = lab.hubs.filter { log.contains("relay=\($0).example.com[") }
            #expect(hubs.count > 1, "each of three equal hubs gets its part: \(log)")

            let read = try lab.exec(
                "client", "python3", "-c",
                """
                import poplib, subprocess
                answer = subprocess.check_output(["dig", "+short", "_pop3._tcp.example.com", "SRV"], text=True).split()
                for attempt in range(4):
                    session = poplib.POP3(answer[3].rstrip("."), int(answer[2]), timeout=20)
                    session.user("\(user)")
                    session.pass_("secret")
                    print(sum(b"Subject: Found" in b"\\n".join(session.top(n + 1, 0)[1]) for n in range(session.stat()[0])))
                    session.quit()
                """
            ).text
            #expect(read == "15\n15\n15\n15\n")
        }
    }
}
