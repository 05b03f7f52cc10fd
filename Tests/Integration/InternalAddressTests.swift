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

        @Test func `The back door relays for nobody, and strangers do not reach it`() throws {
            let lab = try Lab.current
            let replies = try ask(
                lab, from: "mh1", "127.0.0.1", 10035, ["bob@remote.test", "bob%remote.test@example.org"])
            for reply in replies { #expect(reply.hasPrefix("5"), "\(reply)") }
            let outside = try lab.attempt("client", ["swaks", "--server", "mh1:10035", "--to", "u59@example.org"])
            #expect(outside.status == 2, "no connection: \(outside)")
        }

        /// The reply to RCPT for each address.
        private func ask(_ lab: Lab, from host: String, _ server: String, _ port: Int, _ addresses: [String]) throws
            -> [String]
        {
            let output = try lab.exec(
                host, "python3", "-c", InternalAddresses.asker, server, "\(port)",
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
                for line in "EHLO x.elsewhere.example", "MAIL FROM:<eve@elsewhere.example>", f"RCPT TO:<{address}>":
                    connection.sendall(line.encode() + b"\r\n")
                    answer = reply()
                print(answer)
            """#
    }
}
