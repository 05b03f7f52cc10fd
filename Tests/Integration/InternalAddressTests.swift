import Foundation
import TestSupport
import Testing

extension RealServers {
    /// The cluster's own addresses in every spelling that an MTA might rewrite, from everywhere.
    @Suite struct InternalAddresses {
        private static let spellings = [
            "u59@example.org.a.covey.invalid", "U59@EXAMPLE.ORG.A.COVEY.INVALID", "\"u59\"@example.org.a.covey.invalid",
            "u59+x@example.org.a.covey.invalid", "u59@example.org.a.covey.invalid.",
            "@mh1.example.com:u59@example.org.a.covey.invalid", "u59%example.org.a.covey.invalid@mh1.example.com",
            "\"u59@example.org.a.covey.invalid\"@mh1.example.com", "example.org.a.covey.invalid!u59@mh1.example.com",
            "u59%example.org.a.covey.invalid", "u59@covey.invalid",
            "covey-journal@example.com", "Covey-JOURNAL@Example.COM", "covey-journal+x@example.com",
            "\"covey-journal\"@example.com", "\"covey\\-journal\"@example.com", "covey-journal@example.com.",
            "@mh1.example.com:covey-journal@example.com", "covey-journal%example.com@mh1.example.com",
            "\"covey-journal@example.com\"@mh1.example.com", "example.com!covey-journal@mh1.example.com",
            "covey-journal%example.com",
        ]

        @Test(
            "Nobody reaches them",
            arguments: [("client", "mh1", 25), ("mh1", "127.0.0.1", 25), ("mh1", "127.0.0.1", 10035)])
        func refused(host: String, server: String, port: Int) throws {
            let lab = try Lab.current
            try lab.waitForHubsToSeeAllServers()
            let replies = try ask(lab, from: host, server, port, InternalAddresses.spellings)
            for (address, reply) in zip(InternalAddresses.spellings, replies) {
                #expect(reply.hasPrefix("5"), "<\(address)>: \(reply)")
            }
            #expect(try lab.stored(for: "u59@example.org", on: "a") == [])
        }

        @Test func `Nor do users who have logged in at port 587, whose mail goes everywhere else`() throws {
            let lab = try Lab.current
            try lab.waitForHubsToSeeAllServers()
            try startSubmission(lab)
            defer { try? stopSubmission(lab) }
            let remote = try ask(lab, from: "client", "mh2", 587, ["bob@remote.test"], login: "u58@example.org")
            #expect(remote[0].hasPrefix("250"), "\(remote)")
            let stranger = try ask(lab, from: "client", "mh2", 587, ["bob@remote.test"])
            #expect(stranger[0].hasPrefix("5"), "\(stranger)")
            // What is mh1's own there is somebody else's here, and may be sent to.
            let spellings = InternalAddresses.spellings.map { $0.replacing("mh1.", with: "mh2.") }
            let replies = try ask(lab, from: "client", "mh2", 587, spellings, login: "u58@example.org")
            for (address, reply) in zip(spellings, replies) {
                #expect(reply.hasPrefix("5"), "<\(address)>: \(reply)")
            }
        }

        /// Debian's own submission service, with the logins of a Dovecot on the hub; then setup, which finds it there.
        private func startSubmission(_ lab: Lab) throws {
            let dovecot = """
                protocols = none
                ssl = no
                disable_plaintext_auth = no
                passdb {
                  driver = passwd-file
                  args = /etc/dovecot/users
                }
                userdb {
                  driver = passwd-file
                  args = /etc/dovecot/users
                }
                service auth {
                  unix_listener /var/spool/postfix/private/auth {
                    mode = 0660
                    user = postfix
                    group = postfix
                  }
                }

                """
            try lab.exec("mh2", "sh", "-c", "cat >/etc/dovecot/local.conf", input: text(dovecot))
            try lab.shell(
                "mh2",
                """
                sed -i 's/^!include auth-system/#&/' /etc/dovecot/conf.d/10-auth.conf
                dovecot
                postconf -M 'submission/inet=submission inet n - y - - smtpd'
                postconf -P submission/inet/smtpd_sasl_auth_enable=yes submission/inet/smtpd_sasl_type=dovecot \
                    submission/inet/smtpd_sasl_path=private/auth submission/inet/smtpd_reject_unlisted_recipient=no \
                    submission/inet/smtpd_relay_restrictions=permit_sasl_authenticated,reject \
                    submission/inet/smtpd_recipient_restrictions= submission/inet/milter_macro_daemon_name=ORIGINATING
                \(InternalAddresses.setup)
                postfix reload
                """)
            try lab.wait(
                for: "port 587", { try ask(lab, from: "mh2", "127.0.0.1", 587, ["x@remote.test"]) },
                until: { $0[0].hasPrefix("5") })
        }

        private func stopSubmission(_ lab: Lab) throws {
            try lab.shell(
                "mh2", "postconf -MX submission/inet; \(InternalAddresses.setup); postfix reload; dovecot stop")
        }

        private static let setup =
            "/usr/share/covey/postfix/setup --config /etc/covey/cluster.toml --host mh2 >/dev/null"

        @Test func `The back door relays for nobody, and strangers do not reach it`() throws {
            let lab = try Lab.current
            let replies = try ask(
                lab, from: "mh1", "127.0.0.1", 10035, ["bob@remote.test", "bob%remote.test@example.org"])
            for reply in replies { #expect(reply.hasPrefix("5"), "\(reply)") }
            let outside = try lab.attempt("client", ["swaks", "--server", "mh1:10035", "--to", "u59@example.org"])
            #expect(outside.status == 2, "no connection: \(outside)")
        }

        /// The reply to RCPT for each address.
        ///
        /// - Parameter login: the user to log in as first; nil for a stranger.
        private func ask(
            _ lab: Lab, from host: String, _ server: String, _ port: Int, _ addresses: [String], login: String? = nil
        ) throws -> [String] {
            let auth = login.map { ["AUTH PLAIN " + Data("\u{0}\($0)\u{0}secret".utf8).base64EncodedString()] } ?? []
            let output = try lab.exec(
                host, "python3", "-c", InternalAddresses.asker, server, "\(port)", auth.first ?? "NOOP",
                input: text(addresses.joined(separator: "\n")))
            let replies = output.text.split(separator: "\n").map(String.init)
            try #require(replies.count == addresses.count, "\(output)")
            return replies
        }

        /// One connection for each: Postfix slows those down that make many errors.
        private static let asker = #"""
            import socket, sys
            for address in sys.stdin.read().split("\n"):
                connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60)
                file = connection.makefile("rb")
                def reply():
                    while (line := file.readline())[3:4] == b"-":
                        pass
                    return line.decode().strip()
                reply()
                for line in "EHLO x.elsewhere.example", sys.argv[3], "MAIL FROM:<eve@elsewhere.example>", f"RCPT TO:<{address}>":
                    connection.sendall(line.encode() + b"\r\n")
                    answer = reply()
                print(answer)
            """#
    }
}
