import CoveyCore
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import MailNet

/// The monitor's HTTP server, over real connections on loopback.
@Suite(.timeLimit(.minutes(5))) struct MonitorServerTests {
    static let group = MultiThreadedEventLoopGroup.singleton

    static func status(_ problems: [DaemonStatus.Problem] = []) -> DaemonStatus {
        DaemonStatus(
            daemon: .milter, host: "mh1", now: 1_000, started: 400, problems: problems,
            servers: [.init(name: "a", isUp: true)], figures: [])
    }

    static func content(_ problems: [DaemonStatus.Problem] = []) -> MonitorContent {
        MonitorContent(status: status(problems), metrics: [Metric("covey_test_total", .counter, "A test.", 7)])
    }

    /// Runs `body` with a server; stops it afterwards.
    static func run(
        _ limits: MonitorServer.Limits = .init(),
        content: @escaping @Sendable () async -> MonitorContent = { content() },
        _ body: (SocketAddress, MonitorServer) async throws -> Void
    ) async throws {
        let server = MonitorServer(limits: limits, group: group, content: content)
        let address = try #require(try await server.bind(Endpoint(host: LoopbackAddress.next(), port: 0)))
        do {
            try await body(address, server)
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    /// An answer: its head's first line, its fields in lower case, its content.
    struct Answer {
        var first: String
        var fields: [String: String] = [:]
        var content: String

        init(_ text: String) throws {
            let end = try #require(text.firstRange(of: "\r\n\r\n"), "\(text)")
            let lines = text[..<end.lowerBound].split(separator: "\r\n")
            first = String(lines.first ?? "")
            for line in lines.dropFirst() {
                let colon = try #require(line.firstIndex(of: ":"))
                fields[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
            }
            content = String(text[end.upperBound...])
        }
    }

    static func ask(_ request: String, at address: SocketAddress) async throws -> Answer {
        let client = try await POP3TestClient.connect(to: address)
        try await client.send(request)
        return try Answer(await client.rest())
    }

    static func get(_ path: String, at address: SocketAddress) async throws -> Answer {
        try await ask("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n", at: address)
    }

    @Test(
        arguments: [
            ("/", "text/html; charset=utf-8", "<!DOCTYPE html>"),
            ("/?x=1", "text/html; charset=utf-8", "<!DOCTYPE html>"),
            ("/style.css", "text/css; charset=utf-8", ":root {"), ("/status.json", "application/json", "{\"daemon\":"),
            ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "# HELP covey_test_total A test.\n"),
            ("/healthz", "text/plain; charset=utf-8", "ok\n"),
            ("http://x/healthz", "text/plain; charset=utf-8", "ok\n"),
        ])
    func `each page is labelled as what it is`(path: String, type: String, start: String) async throws {
        try await Self.run { address, _ in
            let answer = try await Self.get(path, at: address)
            #expect(answer.first == "HTTP/1.1 200 OK")
            #expect(answer.fields["content-type"] == type)
            #expect(answer.content.hasPrefix(start))
            #expect(answer.fields["content-length"] == "\(answer.content.utf8.count)")
            #expect(answer.fields["connection"] == "close")
            #expect(
                answer.fields["content-security-policy"]?.hasPrefix("default-src 'none'; style-src 'self';") == true)
            #expect(answer.fields["x-content-type-options"] == "nosniff")
            #expect(answer.fields["cache-control"] == "no-store")
            #expect(answer.fields["date"]?.hasSuffix(" GMT") == true)
        }
    }

    @Test func `the date is in the form of RFC 9110`() {
        // §5.6.7's own example.
        #expect(MonitorResponse.date(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }

    @Test func `health is 503 when the daemon works for nobody, and says why`() async throws {
        let problems = Mutex<[DaemonStatus.Problem]>([.init(.degraded, "b is down")])
        try await Self.run(content: { Self.content(problems.withLock { $0 }) }) { address, _ in
            var answer = try await Self.get("/healthz", at: address)
            #expect(answer.first == "HTTP/1.1 200 OK")
            #expect(answer.content == "degraded\nb is down\n")
            problems.withLock { $0 = [.init(.down, "all are down")] }
            answer = try await Self.get("/healthz", at: address)
            #expect(answer.first == "HTTP/1.1 503 Service Unavailable")
            #expect(answer.content == "down\nall are down\n")
            // The other pages are there to say what is the matter.
            #expect(try await Self.get("/status.json", at: address).first == "HTTP/1.1 200 OK")
        }
    }

    @Test func `HEAD has the fields of GET and no content`() async throws {
        try await Self.run { address, _ in
            let head = try await Self.ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", at: address)
            let get = try await Self.get("/metrics", at: address)
            #expect(head.first == get.first)
            #expect(head.content == "")
            #expect(head.fields["content-length"] == get.fields["content-length"])
            #expect(head.fields["content-type"] == get.fields["content-type"])
        }
    }

    @Test(
        arguments: [
            ("GET /other HTTP/1.1\r\nHost: x\r\n\r\n", 404), ("GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
            ("GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404), ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
            ("PUT /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 405),
            ("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405), ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 405),
            // RFC 9112 §3.2: exactly one Host field.
            ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
            ("nonsense\r\n\r\n", 400), ("\u{0}\u{1}\u{2}\r\n\r\n", 400), ("GET /\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400), ("EHLO x\r\n", 400),
        ])
    func `what is not a good request is refused`(request: String, status: Int) async throws {
        try await Self.run { address, _ in
            let answer = try await Self.ask(request, at: address)
            #expect(answer.first.hasPrefix("HTTP/1.1 \(status) "), "\(answer.first)")
            #expect(answer.fields["content-type"] == "text/plain; charset=utf-8")
            if status == 405 { #expect(answer.fields["allow"] == "GET, HEAD") }
            // And the next client is served.
            #expect(try await Self.get("/healthz", at: address).content == "ok\n")
        }
    }

    @Test func `HTTP 1 0 needs no Host field`() async throws {
        try await Self.run { address, _ in
            let answer = try await Self.ask("GET /healthz HTTP/1.0\r\n\r\n", at: address)
            #expect(answer.content == "ok\n")
        }
    }

    @Test func `a request may come octet by octet, and a second one behind it is not answered`() async throws {
        var limits = MonitorServer.Limits()
        limits.request = .seconds(60)
        try await Self.run(limits) { address, _ in
            let client = try await POP3TestClient.connect(to: address)
            for octet in "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".utf8 { try await client.send([octet]) }
            try await client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            let text = await client.rest()
            #expect(try Answer(text).content == "ok\n")
            #expect(text.ranges(of: "HTTP/1.1").count == 1)
        }
    }

    @Test(arguments: [
        "GET /\(String(repeating: "x", count: 40_000)) HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n" + String(repeating: "X-Y: z\r\n", count: 5_000),
    ])
    func `a request that is too long is refused before it ends`(request: String) async throws {
        try await Self.run { address, _ in
            let answer = try await Self.ask(request, at: address)
            #expect(answer.first.hasPrefix("HTTP/1.1 431 "))
        }
    }

    @Test(arguments: ["", "GET / HTTP/1.1\r\nHost:"])
    func `a client that is too slow is told so and closed`(start: String) async throws {
        var limits = MonitorServer.Limits()
        limits.request = .seconds(2)
        // What the client sends may come late, where hundreds of tests run at once.
        limits.linger = .seconds(8)
        try await Self.run(limits) { address, server in
            let client = try await POP3TestClient.connect(to: address)
            try await client.send(start)
            let answer = try Answer(await client.rest())
            #expect(answer.first.hasPrefix("HTTP/1.1 408 "))
            try await Self.wait { server.connections == 0 }
        }
    }

    @Test func `a client that does not take its answer is closed`() async throws {
        var limits = MonitorServer.Limits()
        limits.response = .milliseconds(100)
        let big = MonitorContent(
            status: Self.status(),
            metrics: [Metric("m", .gauge, String(repeating: "x", count: 300_000), 1)])
        let asked = Mutex(0)
        try await Self.run(
            limits,
            content: {
                asked.withLock { $0 += 1 }
                return big
            }
        ) { address, server in
            // Nothing reads from this channel.
            let channel = try await ClientBootstrap(group: Self.group).channelOption(.autoRead, value: false)
                .channelOption(.socketOption(.so_rcvbuf), value: 4_096)
                .connect(to: address).get()
            try await channel.writeAndFlush(ByteBuffer(string: "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))
            try await Self.wait { asked.withLock { $0 } == 1 }
            try await Self.wait { server.connections == 0 }
            try? await channel.close()
        }
    }

    @Test func `connections are bounded, and one that ends makes room`() async throws {
        var limits = MonitorServer.Limits()
        limits.connections = 3
        limits.request = .seconds(60)
        try await Self.run(limits) { address, server in
            var idle: [POP3TestClient] = []
            for _ in 0..<3 { idle.append(try await POP3TestClient.connect(to: address)) }
            try await Self.wait { server.connections == 3 }
            let tooMany = try await POP3TestClient.connect(to: address)
            #expect(await tooMany.rest() == "")
            await idle[0].close()
            try await Self.wait { server.connections == 2 }
            #expect(try await Self.get("/healthz", at: address).content == "ok\n")
            for client in idle { await client.close() }
        }
    }

    @Test func `the client reads what the server shows`() async throws {
        try await Self.run { address, _ in
            let endpoint = Endpoint(host: try #require(address.ipAddress), port: try #require(address.port))
            let octets = try await MonitorClient.get(
                "/status.json", at: endpoint, patience: .seconds(60), group: Self.group)
            #expect(DaemonStatus(json: octets)?.host == "mh1")
            await #expect(throws: MonitorClient.Failure.self) {
                _ = try await MonitorClient.get("/nothing", at: endpoint, patience: .seconds(60), group: Self.group)
            }
        }
    }

    @Test func `the client says why there is no answer`() async throws {
        let silent = try await ServerBootstrap(group: Self.group).bind(host: LoopbackAddress.next(), port: 0).get()
        let address = try #require(silent.localAddress)
        let endpoint = Endpoint(host: try #require(address.ipAddress), port: try #require(address.port))
        await #expect(throws: MonitorClient.Failure(description: "no answer in time")) {
            _ = try await MonitorClient.get("/", at: endpoint, patience: .milliseconds(100), group: Self.group)
        }
        try await silent.close()
        // An address that nobody ever listened on: a closed listener may live on in a program that another test started.
        let nobody = Endpoint(host: LoopbackAddress.next(), port: 9110)
        await #expect(throws: MonitorClient.Failure(description: "Connection refused")) {
            _ = try await MonitorClient.get("/", at: nobody, patience: .seconds(30), group: Self.group)
        }
    }

    private static func wait(_ condition: () -> Bool) async throws {
        for _ in 0..<6_000 {
            if condition() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("what was waited for did not come")
    }
}
