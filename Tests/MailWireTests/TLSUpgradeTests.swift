import Testing

@testable import MailWire

@Suite struct TLSUpgradeTests {
    private typealias Action = TLSUpgrade.Action

    private func actions(_ dialect: TLSUpgrade.Dialect, _ lines: [String]) -> [Action] {
        var upgrade = TLSUpgrade(dialect)
        return lines.map { upgrade.received($0) }
    }

    private let lmtp = TLSUpgrade.Dialect.smtp(hello: "LHLO mh1.example.com")

    @Test func `LMTP goes by hello and STARTTLS, and keeps the greeting`() {
        var upgrade = TLSUpgrade(lmtp)
        #expect(upgrade.received("220-a.example.com") == .wait)
        #expect(upgrade.received("220 ready") == .send("LHLO mh1.example.com\r\n"))
        #expect(upgrade.received("250-a.example.com") == .wait)
        #expect(upgrade.received("250-starttls") == .wait)
        #expect(upgrade.received("250 PIPELINING") == .send("STARTTLS\r\n"))
        #expect(upgrade.received("220 2.0.0 go ahead") == .startTLS)
        #expect(upgrade.greeting == ["220-a.example.com", "220 ready"])
        #expect(upgrade.received("250 injected") == .fail("\"250 injected\" unasked"))
    }

    @Test func `POP3 goes by STLS, and keeps the greeting`() {
        var upgrade = TLSUpgrade(.pop3)
        #expect(upgrade.received("+OK [XCLIENT] ready") == .send("STLS\r\n"))
        #expect(upgrade.received("+OK Begin TLS") == .startTLS)
        #expect(upgrade.greeting == ["+OK [XCLIENT] ready"])
    }

    @Test(arguments: [
        (["554 no"], "greeting \"554 no\""),
        (["220 hi", "500 what"], "answered our hello with \"500 what\""),
        (["220 hi", "250-a", "250 PIPELINING"], "does not offer STARTTLS"),
        // A word that only contains it is another capability.
        (["220 hi", "250 XSTARTTLS"], "does not offer STARTTLS"),
        (["220 hi", "250 STARTTLS", "454 TLS not available"], "does not do STARTTLS: \"454 TLS not available\""),
        (["220 hi", "250 STARTTLS", "250 sure"], "does not do STARTTLS: \"250 sure\""),
    ])
    func `without STARTTLS there is no connection`(lines: [String], reason: String) {
        #expect(actions(lmtp, lines).last == .fail(reason))
    }

    @Test(arguments: [
        (["-ERR busy"], "greeting \"-ERR busy\""), (["+OK", "-ERR no"], "does not do STLS: \"-ERR no\""),
    ])
    func `without STLS there is no connection`(lines: [String], reason: String) {
        #expect(actions(.pop3, lines).last == .fail(reason))
    }

    @Test func `a server that never comes to an end is left`() {
        let lines = ["220 hi"] + Array(repeating: "250-X", count: TLSUpgrade.mostLines)
        #expect(actions(lmtp, lines).last == .fail("talks without end before TLS"))
    }
}
