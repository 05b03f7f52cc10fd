import CoveyCore
import MailWire
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import MailNet

/// Connections to mailbox servers with TLS: all that can be wrong with it leaves the server unreachable and nothing
/// said in clear.
@Suite(.timeLimit(.minutes(1))) @BlockingThread struct ServerTLSTests {
    private static let certificates = Result { try TestCertificates() }

    /// A mailbox server as the configuration has it.
    private func tls(_ mode: ClusterConfiguration.MailboxServer.TLSMode, caFile: String?, verify: Bool = true) throws
        -> ServerTLS?
    {
        try ServerTLS(
            .init(
                name: "a", addresses: [], deliveryProtocol: .lmtp, delivery: Endpoint(host: "192.0.2.1", port: 24),
                pop3: Endpoint(host: "192.0.2.1", port: 110), tls: mode, caFile: caFile, verify: verify))
    }

    private static let lmtpScript: ScriptedTLSServer.Script = { line, isEncrypted in
        switch line.split(separator: " ").first {
        case "LHLO": .say(isEncrypted ? "250 PIPELINING" : "250-PIPELINING\r\n250 STARTTLS")
        case "STARTTLS": .sayAndEncrypt("220 go")
        case "MAIL", "RCPT": .say("250 2.1.0 OK")
        case "DATA": .say("354 go")
        case ".": .say("250 2.0.0 saved")
        case "QUIT": .close
        default: .nothing
        }
    }

    /// Delivers a message to a server; what came of it, and what the server heard of it.
    private func deliver(
        _ mode: ClusterConfiguration.MailboxServer.TLSMode, subject: String? = nil, expired: Bool = false,
        trusted: Bool = true, verify: Bool = true, host: String? = nil, timeout: Int64 = 10_000,
        isImplicit: Bool? = nil, _ script: @escaping ScriptedTLSServer.Script = lmtpScript
    ) async throws -> (outcome: RecipientOutcome, lines: [String]) {
        let certificates = try ServerTLSTests.certificates.get()
        let address = host == nil ? LoopbackAddress.next() : "127.0.0.1"
        let server = try await ScriptedTLSServer.start(
            host: address,
            certificate: try certificates.certificate(subject ?? "IP:\(address)", expired: expired),
            of: certificates, isImplicit: isImplicit ?? (mode == .implicit), greeting: "220 a", script)
        let client = LMTPServer(
            name: "a",
            settings: .init(
                endpoint: Endpoint(host: host ?? address, port: server.endpoint.port), dialect: .lmtp,
                heloName: "mh1", connectTimeout: .milliseconds(timeout), replyTimeout: .milliseconds(timeout),
                tls: try tls(mode, caFile: trusted ? certificates.authority : nil, verify: verify)),
            group: MultiThreadedEventLoopGroup.singleton)
        let outcomes = await client.deliver(.small, to: Envelope(sender: "s@y", recipients: ["u@x"]))
        await client.quit()
        await server.stop()
        return (outcomes[0], server.lines)
    }

    @Test(arguments: [ClusterConfiguration.MailboxServer.TLSMode.starttls, .implicit])
    func `a message goes encrypted`(mode: ClusterConfiguration.MailboxServer.TLSMode) async throws {
        let (outcome, lines) = try await deliver(mode)
        #expect(outcome.kind == "accepted 250")
        #expect(
            lines.filter { $0.hasPrefix("clear ") } == (mode == .starttls ? ["clear LHLO mh1", "clear STARTTLS"] : []))
        // RFC 3207 §4.2: what was said before TLS is forgotten.
        #expect(lines.contains("tls LHLO mh1"))
        #expect(lines.contains("tls RCPT TO:<u@x>"))
        #expect(lines.contains("tls ."))
    }

    @Test func `a name is compared where the configuration names the server`() async throws {
        let good = try await deliver(.starttls, subject: "DNS:localhost", host: "localhost")
        #expect(good.outcome.kind == "accepted 250")
        let bad = try await deliver(.starttls, subject: "DNS:other.example", host: "localhost")
        #expect(bad.outcome.reason.contains("TLS: the certificate is for another name"))
        #expect(bad.lines == ["clear LHLO mh1", "clear STARTTLS"])
    }

    @Test(arguments: [ClusterConfiguration.MailboxServer.TLSMode.starttls, .implicit])
    func `a certificate must be good`(mode: ClusterConfiguration.MailboxServer.TLSMode) async throws {
        let untrusted = try await deliver(mode, trusted: false)
        let expired = try await deliver(mode, expired: true)
        for (outcome, lines) in [untrusted, expired] {
            #expect(outcome.kind == "unreachable")
            #expect(outcome.reason.contains("TLS: the certificate is out of date, or signed by nobody"))
            #expect(!lines.contains { $0.hasPrefix("tls ") || $0.contains("MAIL") })
        }
        let other = try await deliver(mode, subject: "IP:192.0.2.77")
        #expect(other.outcome.reason.contains("TLS: the certificate is for another name"))
    }

    @Test func `verify = false takes any certificate`() async throws {
        let (outcome, lines) = try await deliver(
            .starttls, subject: "DNS:other.example", expired: true, trusted: false, verify: false)
        #expect(outcome.kind == "accepted 250")
        #expect(lines.contains("tls ."))
    }

    @Test func `a server that offers no STARTTLS gets nothing`() async throws {
        let (outcome, lines) = try await deliver(.starttls) { line, _ in
            line.hasPrefix("LHLO") ? .say("250 PIPELINING") : .say("250 OK")
        }
        #expect(outcome.reason == "no TLS: the server does not offer STARTTLS")
        #expect(lines == ["clear LHLO mh1"])
    }

    @Test(arguments: ["220 go\r\n250 PIPELINING", "220 go\r\n25", "220 go\r\n\u{16}\u{3}\u{1}"])
    func `what comes in clear after the agreement ends the connection`(said: String) async throws {
        // CVE-2011-0411.
        let (outcome, lines) = try await deliver(.starttls) { line, _ in
            switch line {
            case "LHLO mh1": .say("250 STARTTLS")
            case "STARTTLS": .say(said)
            default: .say("250 OK")
            }
        }
        #expect(outcome.kind == "unreachable")
        #expect(lines == ["clear LHLO mh1", "clear STARTTLS"])
        #expect(outcome.reason.contains("sent more in clear after it had agreed to TLS"))
    }

    @Test func `a server that stalls in the handshake costs one timeout`() async throws {
        let (outcome, _) = try await deliver(.starttls, timeout: 3_000) { line, _ in
            switch line {
            case "LHLO mh1": .say("250 STARTTLS")
            case "STARTTLS": .say("220 go")
            default: .nothing
            }
        }
        #expect(outcome.reason.contains("timed out after 3000 ms"))
        let implicit = try await deliver(.implicit, timeout: 300, isImplicit: false) { _, _ in .nothing }
        #expect(implicit.outcome.kind == "unreachable")
    }

    @Test func `a server that closes in the handshake is unreachable`() async throws {
        let (outcome, _) = try await deliver(.starttls) { line, _ in
            switch line {
            case "LHLO mh1": .say("250 STARTTLS")
            case "STARTTLS": .say("220 go")
            default: .close
            }
        }
        #expect(outcome.kind == "unreachable")
    }

    @Test(arguments: [ClusterConfiguration.MailboxServer.TLSMode.starttls, .implicit])
    func `a POP3 password goes encrypted, also when it is written at once`(
        mode: ClusterConfiguration.MailboxServer.TLSMode
    ) async throws {
        let (results, lines) = try await logIn(mode) { line, _ in
            line == "STLS" ? .sayAndEncrypt("+OK go") : .say("+OK")
        }
        #expect(results == ["+OK ready", "+OK"])
        #expect(lines == (mode == .starttls ? ["clear STLS"] : []) + ["tls USER u@example.com"])
    }

    @Test func `a POP3 server that does no STLS hears no password`() async throws {
        let (results, lines) = try await logIn(.starttls) { _, _ in .say("-ERR unknown") }
        #expect(results.count == 2)
        #expect(results.allSatisfy { $0.contains("does not do STLS") })
        #expect(lines == ["clear STLS"])
    }

    /// Opens a connection and writes USER at once; the greeting's and USER's results.
    private func logIn(
        _ mode: ClusterConfiguration.MailboxServer.TLSMode, _ script: @escaping ScriptedTLSServer.Script
    ) async throws -> (results: [String], lines: [String]) {
        let certificates = try ServerTLSTests.certificates.get()
        let address = LoopbackAddress.next()
        let server = try await ScriptedTLSServer.start(
            host: address, certificate: try certificates.certificate("IP:\(address)"), of: certificates,
            isImplicit: mode == .implicit, greeting: "+OK ready", script)
        let tls = try tls(mode, caFile: certificates.authority)
        let endpoint = server.endpoint
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let (stream, continuation) = AsyncStream<String>.makeStream()
        loop.execute {
            let backend = POP3Backend(eventLoop: loop, responseTimeout: .seconds(10))
            var answers = 0
            func note(_ result: Result<POP3Status, POP3BackendFailure>) {
                switch result {
                case .success(let status): continuation.yield(status.isOK ? "+OK \(status.text)" : "-ERR")
                case .failure(let failure): continuation.yield("\(failure)")
                }
                answers += 1
                guard answers == 2 else { return }
                continuation.finish()
                backend.close()
            }
            backend.open(
                endpoint, tls: tls, connectTimeout: .seconds(10), greeting: POP3Backend.statusReceiver(note))
            backend.enqueueForStatus(.user("u@example.com"), note)
            backend.flush()
        }
        var results: [String] = []
        for await result in stream { results.append(result.trimmingSpaces) }
        await server.stop()
        return (results, server.lines)
    }
}

extension String {
    fileprivate var trimmingSpaces: String { hasSuffix(" ") ? String(dropLast()) : self }
}
