import CoveyCore
import MailNet
import NIOCore
import TestSupport
import Testing

/// The PROXY protocol before a session: who is believed, and what comes of it.
@Suite(.timeLimit(.minutes(5))) struct ProxyProtocolTests {
    private static let balancer = "127.0.0.9"
    private static let line = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 110\r\n"

    private static func run(
        patience: TimeAmount = .seconds(30), _ body: (POP3ProxyFixture) async throws -> Void
    ) async throws {
        var trusting = script("a")
        trusting.greeting = "+OK [XCLIENT] Dovecot ready."
        try await POP3ProxyFixture.run(
            [trusting],
            settings: {
                $0.proxyProtocolFrom = [IPAddress(balancer)].reduce(into: []) { if let one = $1 { $0.insert(one) } }
                $0.times.proxyHeader = patience
            }, body)
    }

    private static func connect(_ fixture: POP3ProxyFixture) async throws -> POP3TestClient {
        try await POP3TestClient.connect(to: fixture.address, from: balancer)
    }

    private static let binary: [UInt8] =
        Array("\r\n\r\n\0\r\nQUIT\n".utf8) + [0x21, 0x11, 0, 12, 192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0, 110]

    @Test(arguments: [Array(line.utf8), binary])
    func `the client's own address goes to the servers`(header: [UInt8]) async throws {
        try await Self.run { fixture in
            let client = try await Self.connect(fixture)
            // With the header and the first commands in one packet, as well.
            try await client.send(header + Array("USER u@example.com\r\nPASS secret\r\n".utf8))
            #expect(try await client.line() == "+OK Covey ready.")
            #expect(try await client.line() == "+OK")
            #expect(try await client.line() == "+OK Logged in.")
            #expect(fixture.servers[0].lines.first == "XCLIENT ADDR=192.0.2.7 PORT=4711")
        }
    }

    @Test func `the header may come octet by octet, and nothing is said before it is there`() async throws {
        try await Self.run { fixture in
            let client = try await Self.connect(fixture)
            for octet in Self.line.utf8 { try await client.send([octet]) }
            #expect(try await client.logIn() == "+OK Logged in.")
            #expect(fixture.servers[0].lines.first == "XCLIENT ADDR=192.0.2.7 PORT=4711")
        }
    }

    @Test(arguments: [
        "PROXY UNKNOWN\r\n", "\r\n\r\n\0\r\nQUIT\n\u{20}\0\0\0",
    ])
    func `a balancer's own check is served under its address`(header: String) async throws {
        try await Self.run { fixture in
            let client = try await Self.connect(fixture)
            try await client.send(header)
            #expect(try await client.logIn() == "+OK Logged in.")
            #expect(fixture.servers[0].lines.first?.hasPrefix("XCLIENT ADDR=\(Self.balancer) PORT=") == true)
        }
    }

    @Test(arguments: [
        "USER u@example.com\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n", "PROXY TCP9 a b c d\r\n",
        "\r\n\r\n\0\r\nQUIT\n\u{22}\0\0\0", String(repeating: "PROXY UNKNOWN ", count: 10),
    ])
    func `without a header that is one a balancer's connection ends without a word`(octets: String) async throws {
        try await Self.run { fixture in
            let client = try await Self.connect(fixture)
            try await client.send(octets)
            #expect(await client.rest() == "")
            #expect(fixture.servers[0].lines == [])
        }
    }

    @Test func `a balancer that says nothing is not waited for`() async throws {
        try await Self.run(patience: .milliseconds(50)) { fixture in
            let silent = try await Self.connect(fixture)
            #expect(await silent.rest() == "")
            let halting = try await Self.connect(fixture)
            // It may be cut before this, too.
            try? await halting.send("PROXY TCP4 192.0")
            #expect(await halting.rest() == "")
        }
    }

    @Test func `anybody else's header is a bad command`() async throws {
        try await Self.run { fixture in
            let client = try await fixture.client()
            #expect(try await client.line() == "+OK Covey ready.")
            #expect(try await client.command(String(Self.line.dropLast(2))) == "-ERR Unknown command.")
            #expect(try await client.command("USER u@example.com") == "+OK")
            #expect(try await client.command("PASS secret") == "+OK Logged in.")
            #expect(fixture.servers[0].lines.first?.hasPrefix("XCLIENT ADDR=127.0.0.1 ") == true)
        }
    }

    @Test @BlockingThread func `TLS begins after the header`() async throws {
        let certificates = try TestCertificates.shared.get()
        let tls = try ClientTLS(
            certificate: try certificates.certificate("IP:127.0.0.1"), privateKey: certificates.privateKey)
        let balancer = try #require(IPAddress(Self.balancer))
        try await POP3ProxyFixture.run(
            [script("a")],
            settings: {
                $0.clientTLS = tls
                $0.proxyProtocolFrom = [balancer]
            }
        ) { fixture in
            let implicit = try await fixture.proxy.bind([Endpoint(host: "127.0.0.1", port: 0)], tls: true)[0]
            let client = try await POP3TestClient.connect(to: implicit, from: Self.balancer)
            try await client.send(Self.line)
            try await client.encrypt(authority: certificates.authority)
            #expect(try await client.logIn() == "+OK Logged in.")
            let clear = try await POP3TestClient.connect(to: implicit, from: Self.balancer)
            try await clear.send(Self.line + "QUIT\r\n")
            #expect(await !clear.rest().contains("OK"))
            let plain = try await fixture.proxy.bind([Endpoint(host: "127.0.0.1", port: 0)])[0]
            let stls = try await POP3TestClient.connect(to: plain, from: Self.balancer)
            try await stls.send(Self.line)
            _ = try await stls.line()
            #expect(try await stls.startTLS(authority: certificates.authority).hasPrefix("+OK"))
            _ = try await stls.command("USER u@example.com")
            #expect(try await stls.command("PASS secret") == "+OK Logged in.")
        }
    }
}
