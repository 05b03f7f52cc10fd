import CoveyCore
import Foundation
import Logging
import MailNet
import NIOCore
import TestSupport
import Testing

/// TLS for mail programs: STLS, implicit, and the certificate's files.
@Suite(.timeLimit(.minutes(5))) @BlockingThread struct ClientTLSTests {
    /// A proxy with a certificate before one scripted server, in clear at one address and with TLS from the first octet at
    /// another.
    private static func run(
        _ body: (POP3ProxyFixture, _ plain: SocketAddress, _ implicit: SocketAddress, TestCertificates) async throws
            -> Void
    ) async throws {
        let certificates = try TestCertificates.shared.get()
        // Clients check the address that they connect to.
        let tls = try ClientTLS(
            certificate: try certificates.certificate("IP:127.0.0.1"), privateKey: certificates.privateKey)
        try await POP3ProxyFixture.run([script("ab")], settings: { $0.clientTLS = tls }) { fixture in
            let anywhere = [Endpoint(host: "127.0.0.1", port: 0)]
            let plain = try await fixture.proxy.bind(anywhere)[0]
            let implicit = try await fixture.proxy.bind(anywhere, tls: true)[0]
            try await body(fixture, plain, implicit, certificates)
        }
    }

    private static func capabilities(_ client: POP3TestClient) async throws -> [String] {
        #expect(try await client.command("CAPA").hasPrefix("+OK"))
        return try await client.lines()
    }

    @Test func `a session after STLS is like any other, and STLS is offered no more`() async throws {
        try await Self.run { fixture, plain, _, certificates in
            let client = try await POP3TestClient.connect(to: plain)
            #expect(try await client.line() == "+OK Covey ready.")
            #expect(try await Self.capabilities(client).contains("STLS\r\n"))
            #expect(try await client.startTLS(authority: certificates.authority).hasPrefix("+OK"))
            #expect(try await !Self.capabilities(client).contains("STLS\r\n"))
            #expect(try await client.command("USER u@example.com") == "+OK")
            #expect(try await client.command("PASS secret") == "+OK Logged in.")
            #expect(try await client.command("RETR 2").hasPrefix("+OK"))
            #expect(try await client.lines().last == "last\r\n")
            _ = try await client.command("DELE 1")
            #expect(try await client.command("STLS").hasPrefix("-ERR"))
            #expect(try await client.command("QUIT").hasPrefix("+OK"))
            #expect(fixture.servers[0].uniqueIDs == [stamp("b")])
        }
    }

    @Test func `implicit TLS greets under TLS, and says nothing to who does not speak it`() async throws {
        try await Self.run { _, _, address, certificates in
            let client = try await POP3TestClient.connect(to: address, authority: certificates.authority)
            #expect(try await client.logIn() == "+OK Logged in.")
            #expect(try await client.command("STAT").hasPrefix("+OK 2 "))
            #expect(try await client.command("QUIT").hasPrefix("+OK"))
            let clear = try await POP3TestClient.connect(to: address)
            try await clear.send("USER u@example.com\r\n")
            #expect(await !clear.rest().contains("OK"))
        }
    }

    @Test func `without a certificate STLS is neither offered nor done`() async throws {
        try await POP3ProxyFixture.run([script("a")]) { fixture in
            let client = try await fixture.client()
            _ = try await client.line()
            #expect(try await !Self.capabilities(client).contains("STLS\r\n"))
            #expect(try await client.command("STLS").hasPrefix("-ERR"))
            #expect(try await client.command("USER u@example.com") == "+OK")
        }
    }

    /// CVE-2011-0411: what is put in clear behind STLS must not be taken for something said under TLS.
    @Test(arguments: ["STLS\r\nUSER u@example.com\r\n", "STLS\r\nU", "STLS\r\n\r\n"])
    func `clear text in one packet with STLS ends the connection`(octets: String) async throws {
        try await Self.run { fixture, _, _, _ in
            let client = try await fixture.client()
            _ = try await client.line()
            try await client.send(octets)
            #expect(await client.rest() == "")
            #expect(fixture.servers[0].lines == [])
        }
    }

    @Test func `clear text after the answer to STLS is no TLS`() async throws {
        try await Self.run { fixture, _, _, _ in
            let client = try await fixture.client()
            _ = try await client.line()
            #expect(try await client.command("STLS").hasPrefix("+OK"))
            try await client.send("USER u@example.com\r\nPASS secret\r\n")
            #expect(await !client.rest().contains("+OK"))
            #expect(fixture.servers[0].lines == [])
        }
    }

    @Test func `a user named in clear is forgotten`() async throws {
        try await Self.run { _, plain, _, certificates in
            let client = try await POP3TestClient.connect(to: plain)
            _ = try await client.line()
            #expect(try await client.command("USER u@example.com") == "+OK")
            _ = try await client.startTLS(authority: certificates.authority)
            #expect(try await client.command("PASS secret").hasPrefix("-ERR"))
        }
    }

    // MARK: the files

    @Test func `a certificate and its key are looked into`() throws {
        let (one, other) = (try TestCertificates.shared.get(), try TestCertificates.other.get())
        func octets(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path))) }
        let certificate = try octets(try one.certificate("DNS:pop.example.com"))
        let key = try octets(one.privateKey)
        #expect(ClientTLS.fault(certificate: certificate, privateKey: key) == nil)
        // The proxy's own first, its issuer behind it.
        let chain = try certificate + octets(one.authority)
        #expect(ClientTLS.fault(certificate: chain, privateKey: key) == nil)

        let wrongWay = try octets(one.authority) + certificate
        let foreign = ClientTLS.fault(certificate: certificate, privateKey: try octets(other.privateKey))
        for fault in [ClientTLS.fault(certificate: wrongWay, privateKey: key), foreign] {
            #expect(fault?.file == .privateKey)
            #expect(fault?.message.contains("not the key of the first certificate") == true)
        }
        for rubbish in [[], Array("no PEM\n".utf8), key] {
            #expect(ClientTLS.fault(certificate: rubbish, privateKey: key)?.file == .certificate)
        }
        for rubbish in [[], Array("no PEM\n".utf8), certificate] {
            #expect(ClientTLS.fault(certificate: certificate, privateKey: rubbish)?.file == .privateKey)
        }
    }
}
