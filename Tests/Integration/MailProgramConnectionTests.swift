import Foundation
import TestSupport
import Testing

extension RealServers {
    /// The ways by which mail programs come to a proxy: in clear, by STLS, with TLS from the first octet, through HAProxy.
    @Suite(.lab(mailboxes: 2, suffix: "-clients"), .proxiesWithTLS) struct MailProgramConnections {
        private static let encrypted: [(POP3Program, POP3Program.TLS)] = POP3Program.allCases.flatMap { program in
            [POP3Program.TLS.stls, .implicit].filter { program.script($0) != nil }.map { (program, $0) }
        }

        @Test("Mail programs fetch and delete over STLS and TLS, and check the certificate", arguments: encrypted)
        func programs(program: POP3Program, tls: POP3Program.TLS) throws {
            let lab = try Lab.current
            let user = "u\(1 + (POP3Program.allCases.firstIndex(of: program) ?? 0))@example.com"
            let messages = POP3Programs.messages("\(program) \(tls)")
            try lab.deliver(messages, to: user)
            let directory = "/srv/\(program)-\(tls)"
            let script = try #require(program.script(tls))
            let proxy = tls == .stls ? "a" : "b"
            let before = lab.log(of: "covey-pop3d", on: proxy).count
            try lab.fetch(script, proxy: "\(proxy).example.com", user: user, into: directory)
            #expect(try lab.counts(for: user) == [0, 0])
            #expect(try lab.fetched(in: directory) == Set(messages.map(bodyWithLF)))
            let sessions = lab.log(of: "covey-pop3d", on: proxy).dropFirst(before).filter {
                $0.contains("session.user=\(user)")
            }
            #expect(!sessions.isEmpty && sessions.allSatisfy { $0.contains("session.tls=\(tls)") }, "\(sessions)")
        }

        private static let sequences = POP3Sequence.allCases.flatMap { program in
            POP3Program.TLS.allCases.map { (program, $0) }
        }

        @Test("Thunderbird's and Outlook's dialogues go through, in clear, over STLS and TLS", arguments: sequences)
        func dialogues(program: POP3Sequence, tls: POP3Program.TLS) throws {
            let lab = try Lab.current
            let user = "u\(10 + (POP3Sequence.allCases.firstIndex(of: program) ?? 0))@example.com"
            let messages = POP3Programs.messages("\(program) \(tls)")
            try lab.deliver(messages, to: user)
            let directory = "/srv/\(program)-\(tls)"
            let dialogue = program.dialogue(tls, count: messages.count).joined(separator: "\n")
            try lab.exec("client", "mkdir", directory)
            try lab.exec(
                "client", "python3", "-c", POP3Sequence.interpreter, "a.example.com", "\(tls.port)", tls.rawValue,
                directory, input: Array(dialogue.replacingOccurrences(of: "USER USER", with: "USER \(user)").utf8))
            #expect(try lab.counts(for: user) == [0, 0])
            #expect(try lab.fetched(in: directory) == Set(messages.map(bodyWithLF)))
        }

        @Test func `A mail program that trusts another authority gets nothing done`() throws {
            let lab = try Lab.current
            let stranger = Array(try Data(contentsOf: URL(filePath: try TestCertificates.other.get().authority)))
            try lab.exec("client", "sh", "-c", "cat >/srv/stranger.pem", input: stranger)
            for url in ["pop3://a.example.com:1100", "pop3s://a.example.com:995"] {
                let answer = try lab.attempt(
                    "client",
                    [
                        "curl", "-sS", "--ssl-reqd", "--cacert", "/srv/stranger.pem", "--user", "u1@example.com:secret",
                        url,
                    ])
                #expect(answer.status == 60, "\(answer)")  // CURLE_PEER_FAILED_VERIFICATION
            }
        }

        /// HAProxy on mh2, whose address the proxies have in proxy_protocol_from.
        @Test func `Behind HAProxy a server, the log and the limits see the client's own address`() throws {
            let lab = try Lab.current
            let (user, client) = ("u20@example.com", lab.address(of: "client"))
            let configuration = """
                global
                  log stderr format raw local0
                defaults
                  mode tcp
                  timeout connect 5s
                  timeout client 1m
                  timeout server 1m
                listen v1
                  bind :1101
                  server a \(lab.address(of: "a")):1100 send-proxy
                listen v2
                  bind :1102
                  option tcp-check
                  tcp-check expect string +OK
                  server b \(lab.address(of: "b")):1100 send-proxy-v2 check check-send-proxy inter 200ms fall 1
                listen v2-tls
                  bind :1995
                  server a \(lab.address(of: "a")):995 send-proxy-v2

                """
            try lab.exec("mh2", "sh", "-c", "cat >/srv/haproxy.cfg", input: Array(configuration.utf8))
            try lab.shell("mh2", "haproxy -D -p /run/haproxy.pid -f /srv/haproxy.cfg >/var/log/haproxy.log 2>&1")
            // Its checks are its own connections (LOCAL), and find a greeting.
            try lab.wait(for: "HAProxy's check of b") {
                lab.log(of: "covey-pop3d", on: "b").contains {
                    $0.contains("POP3 session ended") && $0.contains("client.address=\(lab.address(of: "mh2"))")
                }
            }
            for (proxy, port, scheme) in [("a", 1101, "pop3"), ("b", 1102, "pop3"), ("a", 1995, "pop3s")] {
                let before = lab.log(of: "covey-pop3d", on: proxy).count
                try lab.exec(
                    "client", "curl", "-sS", "--insecure", "--user", "\(user):secret",
                    "\(scheme)://\(lab.address(of: "mh2")):\(port)/")
                let line = try lab.wait(
                    for: "the session's log line", within: 10,
                    {
                        lab.log(of: "covey-pop3d", on: proxy).dropFirst(before).first {
                            $0.contains("session.user=\(user)")
                        }
                    },
                    until: { $0 != nil })
                #expect(line?.contains("client.address=\(client) ") == true, "\(line ?? "")")
            }
            for server in lab.mailboxes {
                let lines = try lab.shell(server, "grep 'pop3-login: .*Login: user=<\(user)>' /var/log/dovecot.log")
                    .text.split(separator: "\n")
                #expect(lines.count >= 3 && lines.allSatisfy { $0.contains("rip=\(client),") }, "\(lines)")
            }
            try lab.shell("mh2", "kill $(cat /run/haproxy.pid)")
        }

        @Test func `A balancer that sends no PROXY header is cut off, a stranger that sends one is answered`() throws {
            let lab = try Lab.current
            let talk = """
                import socket, sys
                connection = socket.create_connection((sys.argv[1], 1100), 30)
                connection.sendall(sys.argv[2].encode() + b"\\r\\n")
                print(connection.makefile("rb").read())
                """
            let (proxy, header) = (lab.address(of: "a"), "PROXY TCP4 192.0.2.7 192.0.2.8 1 2")
            #expect(try lab.exec("mh2", "python3", "-c", talk, proxy, "USER x").line == "b''")
            #expect(try lab.exec("mh2", "python3", "-c", talk, proxy, "PROXY TCP4 192.0.2.7 192").line == "b''")
            let stranger = try lab.exec("client", "python3", "-c", talk, proxy, header + "\r\nQUIT").line
            #expect(stranger.contains("-ERR Unknown command."), "\(stranger)")
            #expect(lab.log(of: "covey-pop3d", on: "a").contains { $0.contains("proxy_protocol_from ended") })
        }
    }
}

/// Gives the proxies of a lab a certificate, a listener with TLS, and mh2 as a load balancer.
struct ProxiesWithTLS: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let lab = try Lab.current
        let certificates = try TestCertificates.shared.get()
        let authority = Array(try Data(contentsOf: URL(filePath: certificates.authority)))
        try lab.exec("client", "sh", "-c", "cat >/srv/ca.pem", input: authority)
        for proxy in lab.mailboxes {
            let certificate = try certificates.certificate("DNS:\(proxy).example.com,IP:\(lab.address(of: proxy))")
            for (file, name) in [(certificate, "pop.pem"), (certificates.privateKey, "pop.key")] {
                let octets = Array(try Data(contentsOf: URL(filePath: file)))
                try lab.exec(
                    proxy, "sh", "-c",
                    "cat >/etc/covey/\(name) && chown root:covey /etc/covey/\(name) && chmod 640 /etc/covey/\(name)",
                    input: octets)
            }
            let table = [
                "[pop3]", "listen_tls = [\"[::]:995\"]", "certificate = \"pop.pem\"", "private_key = \"pop.key\"",
                "proxy_protocol_from = [\"\(lab.address(of: "mh2"))\"]", "",
            ]
            try lab.exec(
                proxy, "sed", "-i", #"/^\[dns\]/i "# + table.joined(separator: #"\n"#), "/etc/covey/cluster.toml")
            try lab.exec(proxy, "covey", "check", "--config", "/etc/covey/cluster.toml")
            try lab.stop(.pop3d, on: proxy)
            try lab.start(.pop3d, on: proxy)
        }
        try await function()
    }
}

extension Trait where Self == ProxiesWithTLS {
    static var proxiesWithTLS: Self { ProxiesWithTLS() }
}
