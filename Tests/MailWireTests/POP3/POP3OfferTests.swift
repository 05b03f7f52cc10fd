import MailWire
import Testing

@Suite struct POP3OfferTests {
    private static let always = [
        "TOP", "UIDL", "USER", "SASL PLAIN LOGIN", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER", "LANG",
        "IMPLEMENTATION Covey",
    ]

    /// What each server lists, and what a session is offered besides, or instead.
    @Test(
        arguments: [
            ([], [], []),
            ([["TOP", "UIDL", "SASL PLAIN", "STLS", "X-FOO bar"]], [], []),
            (
                [["SASL PLAIN XOAUTH2 OAUTHBEARER"], ["sasl oauthbearer plain xoauth2"]],
                ["SASL PLAIN LOGIN OAUTHBEARER XOAUTH2"], ["SASL PLAIN LOGIN"]
            ),
            ([["SASL XOAUTH2 OAUTHBEARER"], ["SASL XOAUTH2"]], ["SASL PLAIN LOGIN XOAUTH2"], ["SASL PLAIN LOGIN"]),
            ([["SASL OAUTHBEARER"], []], [], []),
            ([["UTF8"], ["UTF8 USER"]], ["UTF8"], []), ([["UTF8 USER"], ["UTF8 USER"]], ["UTF8 USER"], []),
            ([["UTF8"], ["TOP"]], [], []),
            ([["EXPIRE NEVER"], ["EXPIRE 60 USER"], ["EXPIRE 30"]], ["EXPIRE 30"], ["EXPIRE NEVER"]),
            ([["LOGIN-DELAY 10"], ["LOGIN-DELAY 120 USER"], []], ["LOGIN-DELAY 120"], []),
            ([["LOGIN-DELAY x", "EXPIRE -1", "", " "]], [], []),
        ] as [([[String]], [String], [String])])
    func `offers what all servers can do`(servers: [[String]], more: [String], less: [String]) {
        let offer = POP3Offer(servers: servers.map { POP3ServerCapabilities(lines: $0) })
        #expect(Set(offer.capabilities) == Set(Self.always).union(more).subtracting(less))
        #expect(offer.capabilities.count == Set(offer.capabilities).count)
    }

    @Test func `a server's list has an end`() {
        let lines = (1...POP3Limits.capabilities).map { "X-\($0)" } + ["UTF8"]
        #expect(!POP3ServerCapabilities(lines: lines).offersUTF8)
    }
}
