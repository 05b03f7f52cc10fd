import Testing

@testable import MailWire

@Suite struct XCLIENTTests {
    private static let ann = SendingClient(address: "192.0.2.9", helo: "ann.example")
    private static let bob = SendingClient(address: "2001:db8::9", helo: "")
    private static let offers = ["PIPELINING", "CHUNKING", "XCLIENT ADDR PORT HELO LOGIN"]

    private func begin(
        _ state: inout LMTPClientState, _ client: SendingClient?, isProbe: Bool = false
    ) -> String {
        var script = LMTPScript(name: "", first: "", steps: [])
        script.client = client
        script.isProbe = isProbe
        script.recipients = ["a@x"]
        return LMTPScript.text(of: script.begin(&state))
    }

    private func client(_ offers: [String]) -> LMTPClientState {
        var script = LMTPScript(name: "", first: "", steps: [])
        script.offers = offers
        return script.idleClient()
    }

    private func happen(_ events: [String], to state: inout LMTPClientState) -> String {
        events.map { LMTPScript.text(of: LMTPScript.happen($0, to: &state)) }.last ?? ""
    }

    private static let message = "MAIL FROM:<s@y>|RCPT TO:<a@x>|BDAT 100 LAST + counted"
    private static let stored = ["220 again", "250 hello", "sent", "250 m", "250 a", "250 A"]

    @Test func `the server is told who sends, once for each client, in the same write`() {
        var state = client(XCLIENTTests.offers)
        let introduction = "> XCLIENT ADDR=192.0.2.9 HELO=ann.example|LHLO hub.example|"
        #expect(begin(&state, XCLIENTTests.ann) == introduction + XCLIENTTests.message)
        #expect(happen(XCLIENTTests.stored, to: &state) == "end: accepted 250; keep")
        #expect(begin(&state, XCLIENTTests.ann) == "> " + XCLIENTTests.message)
        #expect(happen(Array(XCLIENTTests.stored.dropFirst(2)), to: &state) == "end: accepted 250; keep")
        #expect(
            begin(&state, XCLIENTTests.bob) == "> XCLIENT ADDR=IPV6:2001:db8::9|LHLO hub.example|"
                + XCLIENTTests.message)
    }

    @Test func `a server that refuses it gets the message all the same, and is not asked again`() {
        var state = client(XCLIENTTests.offers)
        _ = begin(&state, XCLIENTTests.ann)
        let refused = ["550 5.7.0 not from you"] + XCLIENTTests.stored.dropFirst()
        #expect(happen(refused, to: &state) == "end: accepted 250; keep")
        #expect(begin(&state, XCLIENTTests.bob) == "> " + XCLIENTTests.message)
    }

    @Test func `without PIPELINING it is one command after the other`() {
        var state = client(["XCLIENT ADDR"])
        #expect(begin(&state, XCLIENTTests.ann) == "> XCLIENT ADDR=192.0.2.9")
        #expect(happen(["220 again"], to: &state) == "> LHLO hub.example")
        #expect(happen(["250 hello"], to: &state) == "> MAIL FROM:<s@y>")
    }

    @Test(arguments: [["XCLIENT PORT LOGIN"], ["XCLIENT"], ["XFORWARD ADDR"], []])
    func `a server that does not take addresses is told none`(offers: [String]) {
        var state = client(["PIPELINING", "CHUNKING"] + offers)
        #expect(begin(&state, XCLIENTTests.ann) == "> " + XCLIENTTests.message)
    }

    @Test func `probes, and messages of nobody, say nothing`() {
        var state = client(XCLIENTTests.offers)
        #expect(begin(&state, nil) == "> " + XCLIENTTests.message)
        var other = client(XCLIENTTests.offers)
        #expect(begin(&other, XCLIENTTests.ann, isProbe: true) == "> MAIL FROM:<s@y>|RCPT TO:<a@x>")
    }

    @Test(arguments: ["a\r\nQUIT", "a b", "a+b=c", "\u{e9}", ""])
    func `a name that is none is left out`(helo: String) {
        let client = SendingClient(address: "192.0.2.9", helo: helo)
        #expect(client.xclient(["ADDR", "HELO"]) == "XCLIENT ADDR=192.0.2.9")
        #expect(SendingClient(address: helo, helo: "a").xclient(["ADDR"]) == nil)
    }

    @Test(arguments: [["421 bye"], ["354 what"], ["220 again", "502 no hello"]])
    func `an answer that is none ends the connection, and nothing is stored`(events: [String]) {
        var state = client(XCLIENTTests.offers)
        _ = begin(&state, XCLIENTTests.ann)
        #expect(happen(events, to: &state) == "end: unreachable; close")
    }
}
