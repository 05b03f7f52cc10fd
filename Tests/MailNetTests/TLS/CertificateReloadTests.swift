import Foundation
import TestSupport
import Testing

/// covey-pop3d as a process: another certificate without a restart.
@Suite(.serialized, .timeLimit(.minutes(2))) @BlockingThread struct CertificateReloadTests {
    /// A daemon with a certificate of `certificates` in files of its own directory.
    private static func proxy(
        _ certificates: TestCertificates, before server: ScriptedPOP3Server
    ) async throws -> ProxyProcess {
        let certificate = try certificates.certificate("IP:127.0.0.1")
        return try await ProxyProcess(
            servers: [server], pop3: ["certificate = \"pop.pem\"", "private_key = \"pop.key\""], host: "127.0.0.1"
        ) { directory in
            try certificates.install(certificate, as: directory + "/pop.pem", key: directory + "/pop.key")
        }
    }

    /// Whether a client that trusts that authority gets TLS.
    private static func trusts(_ certificates: TestCertificates, _ proxy: ProxyProcess) async throws -> Bool {
        let client = try await POP3TestClient.connect(to: proxy.address)
        _ = try await client.line()
        guard try await client.startTLS(authority: certificates.authority).hasPrefix("+OK") else { return false }
        return (try? await client.command("NOOP")) == "+OK"
    }

    private static func server() async throws -> ScriptedPOP3Server {
        try await ScriptedPOP3Server.start(script("a"))
    }

    @Test func `changed files are read again, bad ones are not taken, and sessions go on`() async throws {
        let (old, new) = (try TestCertificates.shared.get(), try TestCertificates.other.get())
        let server = try await Self.server()
        let proxy = try await Self.proxy(old, before: server)
        let session = try await POP3TestClient.connect(to: proxy.address)
        _ = try await session.line()
        _ = try await session.startTLS(authority: old.authority)
        #expect(try await session.command("NOOP") == "+OK")

        // Somebody installs the new certificate and forgets its key.
        let certificate = try new.certificate("IP:127.0.0.1")
        try old.install(certificate, as: proxy.directory + "/pop.pem", key: proxy.directory + "/pop.key")
        try await proxy.waitForLog("Certificate not reloaded, the old one stays in force")
        #expect(proxy.log.contains("is not the key of the first certificate"))
        #expect(try await Self.trusts(old, proxy))
        #expect(try await !Self.trusts(new, proxy))

        try new.install(certificate, as: proxy.directory + "/pop.pem", key: proxy.directory + "/pop.key")
        try await proxy.waitForLog("Certificate reloaded")
        #expect(try await Self.trusts(new, proxy))
        #expect(try await !Self.trusts(old, proxy))
        #expect(try await session.command("NOOP") == "+OK")
        #expect(proxy.log.ranges(of: "Certificate not reloaded").count == 1)
        await server.stop()
    }

    @Test func `SIGUSR1 reads them at once, and with bad ones everything stays as it was`() async throws {
        let (old, new) = (try TestCertificates.shared.get(), try TestCertificates.other.get())
        let server = try await Self.server()
        let proxy = try await Self.proxy(old, before: server)
        let certificate = try new.certificate("IP:127.0.0.1")
        try old.install(certificate, as: proxy.directory + "/pop.pem", key: proxy.directory + "/pop.key")
        try await proxy.reload("Configuration not reloaded")
        #expect(proxy.log.contains("cluster.toml:") && proxy.log.contains("pop3.private_key"))
        #expect(try await Self.trusts(old, proxy))
        try new.install(certificate, as: proxy.directory + "/pop.pem", key: proxy.directory + "/pop.key")
        try await proxy.reload()
        #expect(try await Self.trusts(new, proxy))
        await server.stop()
    }

    @Test func `a daemon does not start with a key of another certificate, and says where that is`() async throws {
        let (one, other) = (try TestCertificates.shared.get(), try TestCertificates.other.get())
        let server = try await Self.server()
        let certificate = try one.certificate("IP:127.0.0.1")
        let failure = await #expect(throws: ProxyProcess.Failure.self) {
            _ = try await ProxyProcess(
                servers: [server], pop3: ["certificate = \"pop.pem\"", "private_key = \"pop.key\""], host: "127.0.0.1"
            ) { try other.install(certificate, as: $0 + "/pop.pem", key: $0 + "/pop.key") }
        }
        #expect(failure?.description.contains("pop3.private_key: ") == true, "\(failure?.description ?? "")")
        #expect(failure?.description.contains("is not the key of the first certificate") == true)
        await server.stop()
    }
}
