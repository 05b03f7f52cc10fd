import Foundation
import TestSupport
import Testing

extension RealServers {
    /// Mailbox servers that are reached by TLS alone: a by STARTTLS and STLS, b by ports of its own.
    @Suite(.lab(mailboxes: 2, suffix: "-tls")) struct EncryptedServers {
        private static let lmtpsPort = 2424

        @Test func `Copies, maildrops, journals and the queue go encrypted, and a false certificate gets nothing`()
            throws
        {
            let lab = try Lab.current
            let certificates = try TestCertificates()
            for server in lab.mailboxes { try encrypt(server, certificates, in: lab) }
            for host in lab.hubs + lab.mailboxes { try configure(host, certificates, in: lab) }
            let user = "u1@example.com"
            try lab.warmUp([user], at: "mh1")

            // To both, and read from both.
            #expect(try lab.send(note("Encrypted"), to: [user]).isAccepted)
            let ids = try lab.copies(for: user, within: 0)["a"]?[0].ids
            #expect(try lab.queue(of: "mh1") == [])
            for proxy in lab.mailboxes { #expect(try lab.maildrop(of: user, at: proxy) == ids) }
            for server in lab.mailboxes {
                for login in ["covey-journal@example.com", user] {
                    let lines = try lab.shell(
                        server, "grep 'pop3-login: .*Login: user=<\(login)>' /var/log/dovecot.log | tail -n 1"
                    ).line
                    #expect(lines.contains(", TLS,"), "\(server): \(lines)")
                }
            }

            // The queue's own way: each server's copy by the client that its tls asks for.
            for (server, client) in [("a", "covey-lmtp"), ("b", "covey-lmtps")] {
                try lab.stop(.dovecot, on: server, signal: "KILL")
                #expect(try lab.send(note("Missed by \(server)"), to: [user]).isAccepted)
                #expect(try lab.queuedRecipients(of: "mh1") == ["\(user).\(server).covey.invalid"])
                try lab.start(.dovecot, on: server)
                try lab.copies(for: user, within: 150) { $0.subject.hasPrefix("Missed by \(server)") }
                let line = try lab.shell(
                    "mh1", "grep 'postfix/\(client)/.*Verified TLS connection' /var/log/mail.log | tail -n 1"
                ).line
                #expect(line.contains(lab.address(of: server)), "\(line)")
                try lab.waitForHubsToSeeAllServers(["mh1"])
            }

            // Somebody in the middle: another authority's certificate.
            try install(try TestCertificates(), on: "a", in: lab)
            try lab.exec("a", "doveadm", "reload")
            try lab.wait(for: "mh1 to refuse the certificate") {
                _ = try lab.send(note("Not for strangers"), to: [user])
                return lab.logs("mh1").contains("TLS: the certificate is out of date, or signed by nobody")
            }
            let outcome = try lab.send(note("After the change"), to: [user])
            #expect(outcome.isAccepted, "\(outcome)")
            #expect(try lab.stored(for: user, on: "a").allSatisfy { !$0.subject.hasPrefix("After the change") })
            try lab.copies(for: user, on: ["b"], within: 0) { $0.subject.hasPrefix("After the change") }
            // Nor does Postfix give it a copy, however often it tries.
            try lab.exec("mh1", "postqueue", "-f")
            try lab.wait(
                for: "Postfix to refuse the certificate", { try lab.queue(of: "mh1").flatMap(\.recipients) },
                until: { !$0.isEmpty && $0.allSatisfy { $0.delayReason?.contains("certificate") == true } })
            #expect(try lab.stored(for: user, on: "a").allSatisfy { !$0.subject.hasPrefix("After the change") })

            // The right certificate again: what was missed arrives.
            try install(certificates, on: "a", in: lab)
            try lab.exec("a", "doveadm", "reload")
            try lab.copies(for: user, within: 150) { $0.subject.hasPrefix("After the change") }
        }

        /// Gives a Dovecot a certificate and, for b, ports with TLS from the first octet. The plain ones stay, because the
        /// lab asks them whether Dovecot is up; nothing of Covey's knows them.
        private func encrypt(_ server: String, _ certificates: TestCertificates, in lab: Lab) throws {
            try install(certificates, on: server, in: lab)
            var lines = """
                ssl = yes
                ssl_cert = </etc/dovecot/tls.pem
                ssl_key = </etc/dovecot/tls.key

                """
            if server == "b" {
                lines += """
                    service lmtp {
                      inet_listener lmtps {
                        port = \(EncryptedServers.lmtpsPort)
                        ssl = yes
                      }
                    }
                    service pop3-login {
                      inet_listener pop3s {
                        port = 995
                        ssl = yes
                      }
                    }

                    """
            }
            try lab.exec(
                server, "sh", "-c", "sed -i '/^ssl = no/d' /etc/dovecot/local.conf && cat >>/etc/dovecot/local.conf",
                input: Array(lines.utf8))
            try lab.stop(.dovecot, on: server)
            try lab.start(.dovecot, on: server)
        }

        private func install(_ certificates: TestCertificates, on server: String, in lab: Lab) throws {
            let certificate = try certificates.certificate("IP:\(lab.address(of: server)),DNS:\(server).example.com")
            for (file, place) in [(certificate, "tls.pem"), (certificates.privateKey, "tls.key")] {
                let octets = Array(try Data(contentsOf: URL(filePath: file)))
                try lab.exec(server, "sh", "-c", "cat >/etc/dovecot/\(place)", input: octets)
            }
        }

        /// Tells a host of the cluster's TLS as an administrator would: the file, then what uses it.
        private func configure(_ host: String, _ certificates: TestCertificates, in lab: Lab) throws {
            let authority = Array(try Data(contentsOf: URL(filePath: certificates.authority)))
            try lab.exec(host, "sh", "-c", "cat >/etc/covey/ca.pem", input: authority)
            let lmtps = "\(lab.address(of: "b")):\(EncryptedServers.lmtpsPort)"
            try lab.exec(
                host, "sed", "-i",
                "-e", #"/^name = "a"/a tls = "starttls"\nca_file = "ca.pem""#,
                "-e", #"/^name = "b"/a tls = "implicit"\nca_file = "ca.pem"\nlmtp = "\#(lmtps)""#,
                "/etc/covey/cluster.toml")
            try lab.exec(host, "covey", "check", "--config", "/etc/covey/cluster.toml")
            if lab.hubs.contains(host) {
                try lab.exec(
                    host, "/usr/share/covey/postfix/setup", "--config", "/etc/covey/cluster.toml", "--host", host)
                // To see in the log what became of each connection.
                try lab.exec(host, "postconf", "-e", "lmtp_tls_loglevel = 1")
                try lab.exec(host, "postfix", "reload")
            }
            let service: Lab.Service = lab.hubs.contains(host) ? .milter : .pop3d
            try lab.stop(service, on: host)
            try lab.start(service, on: host)
        }
    }
}
