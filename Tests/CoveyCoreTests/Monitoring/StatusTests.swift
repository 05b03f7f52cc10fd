import Testing

@testable import CoveyCore

/// How a status is written: JSON, page, and where it is served.
@Suite struct StatusTests {
    static let nasty = "<script>alert('\"&\")</script>\u{0}\n\t é"

    static var status: DaemonStatus {
        var latency = LatencyHistogram()
        for milliseconds in [4, 30, 31, 20_000_000] { latency.observe(.milliseconds(milliseconds)) }
        return DaemonStatus(
            daemon: .pop3d, host: "a", now: 1_764_000_000, started: 1_763_990_000,
            problems: [.init(.degraded, nasty), .init(.down, "worse")],
            servers: [
                .init(name: "a", isUp: true, figures: [.init("copies", "Copies", 3)], latency: latency),
                .init(name: "b", isUp: false, reason: nasty),
            ],
            figures: [.init("octets", "Sent", 5_000_000, .octets), .init("x", "Many", 1_234_567)], latency: latency,
            failovers: [.init(time: 1_763_999_990, from: "a", to: "b")])
    }

    @Test func `what is written as JSON is read back`() throws {
        let read = try #require(DaemonStatus(json: Self.status.json.utf8))
        #expect(read.daemon == .pop3d && read.host == "a")
        #expect(read.now == Self.status.now && read.started == Self.status.started)
        #expect(read.state == .down)
        #expect(read.problems == [.init(.down, "worse"), .init(.degraded, Self.nasty)])
        #expect(read.servers.map(\.name) == ["a", "b"])
        #expect(read.servers.map(\.isUp) == [true, false])
        #expect(read.servers.map(\.reason) == [nil, Self.nasty])
        #expect(read.servers[0].figure("copies") == 3)
        #expect(read.figure("octets") == 5_000_000)
        #expect(Self.status.json.hasSuffix("\n") && !Self.status.json.dropLast().contains("\n"))
    }

    @Test func `JSON has the histogram and the failovers too`() {
        let json = Self.status.json
        #expect(json.contains("{\"count\":1,\"up_to_milliseconds\":5}"))
        #expect(json.contains("{\"count\":4,\"up_to_milliseconds\":null}"))
        #expect(json.contains("\"failovers\":[{\"from\":\"a\",\"time\":1763999990,\"to\":\"b\"}]"))
    }

    @Test(arguments: [
        "", "{}", "[1]", "{\"daemon\":\"covey-milter\"}", "<html>", "{\"daemon\":\"other\",\"host\":\"a\"}",
    ])
    func `what is not a status is not read`(text: String) {
        #expect(DaemonStatus(json: text.utf8) == nil)
    }

    @Test func `the page has everything, with nothing in it that a browser would take for its own`() {
        let page = StatusPage.html(Self.status)
        #expect(!page.contains("<script"))
        #expect(page.contains("&lt;script&gt;alert(&#39;&quot;&amp;&quot;)&lt;/script&gt;"))
        #expect(!page.contains("style=\""), "the policy allows no style attributes")
        #expect(!page.contains("http://") && !page.contains("https://"))
        #expect(!StatusPage.css.contains("url(") && !StatusPage.css.contains("@import"))
        #expect(page.contains("<body class=\"down\">"))
        #expect(page.contains("10 s ago: from a to b"))
        #expect(page.contains("4.8 MiB"))
        #expect(page.contains("1\u{202F}234\u{202F}567"))
        #expect(page.contains("name=\"viewport\""))
        #expect(StatusPage.css.contains("prefers-color-scheme: dark"))
        // Each bar is its share of the four observations.
        #expect(page.contains("<rect width=\"50.0%\""))
    }

    @Test(
        arguments: [
            (0, "0 s"), (-5, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h 0 min"), (172_800, "2 d 0 h"),
            (90_061, "25 h 1 min"),
        ])
    func `spans of time are rounded to what a reader wants to know`(seconds: Int, text: String) {
        #expect(StatusPage.span(seconds) == text)
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1_000, "1\u{202F}000"), (-1_234_567, "-1\u{202F}234\u{202F}567")])
    func `numbers are grouped`(number: Int, text: String) {
        #expect(StatusPage.grouped(number) == text)
    }

    // MARK: where

    private static func monitor(_ host: String) -> ClusterConfiguration.Monitor {
        .init(listen: Endpoint(host: host, port: 9110))
    }

    private static let addresses = ["192.0.2.21", "2001:db8::21"].compactMap { IPAddress($0) }

    @Test func `covey-pop3d is one port above covey-milter, on every host`() {
        let monitor = Self.monitor("127.0.0.1")
        #expect(monitor.listen(for: .milter) == Endpoint(host: "127.0.0.1", port: 9110))
        #expect(monitor.listen(for: .pop3d) == Endpoint(host: "127.0.0.1", port: 9111))
    }

    @Test(
        arguments: [
            ("127.0.0.1", true, ["127.0.0.1:9111"]), ("127.0.0.1", false, []), ("::1", true, ["[::1]:9111"]),
            ("::1", false, []), ("0.0.0.0", false, ["192.0.2.21:9111"]),
            ("::", false, ["192.0.2.21:9111", "[2001:db8::21]:9111"]), ("192.0.2.21", false, ["192.0.2.21:9111"]),
            ("192.0.2.22", false, []),
        ])
    func `who can ask whom follows from monitor.listen`(host: String, isHere: Bool, endpoints: [String]) {
        let found = Self.monitor(host).endpoints(for: .pop3d, addresses: Self.addresses, isHere: isHere)
        #expect(found.map(\.description) == endpoints)
    }
}
