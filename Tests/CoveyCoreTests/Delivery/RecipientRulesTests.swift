import CoveyCore
import Testing

@Suite struct RecipientRulesTests {
    static let rules: RecipientRules? = {
        let text = SampleConfiguration.small.replacing("[\"example.com\"]", with: "[\"example.com\", \"example.net\"]")
        return (try? SampleConfiguration.load(text)).map { RecipientRules($0) }
    }()

    private func front(_ typed: String?, mailer: String? = "covey-back") throws -> RecipientKind {
        try #require(Self.rules).classifyAtFrontDoor(typed: typed, mailer: mailer)
    }

    @Test(
        "Sendmail's own tables have their say",
        arguments: [
            ("u1@example.com", true), ("U1@Example.com.", true), ("u2@example.com", false), ("fred", false),
        ])
    func rewritten(address: String, isCandidate: Bool) throws {
        let kind = try #require(Self.rules).classifyAtFrontDoor(
            typed: "<u1@example.com>", mailer: "coveyback", rewritten: address)
        if isCandidate {
            guard case .candidate = kind else { throw Unexpected(kind: kind) }
        } else {
            #expect(kind == .leftToMTA)
        }
    }

    private struct Unexpected: Error { var kind: RecipientKind }

    @Test(
        "Whatever leads to a missing copy's transport or to the journal is refused, however it is written",
        arguments: [
            ("<u1%example.com.a.covey.invalid@mh1.example.com>", "coveylmtp", "u1@example.com.a.covey.invalid"),
            ("<u1%example.com.a.covey.invalid@mh1.example.com>", "coveysmtp2525", "x"),
            ("<u1@other.example>", "covey-lmtp", "u1@other.example"), ("<u1@other.example>", "covey-smtp", "x"),
            ("<covey-journal%example.com@mh1.example.com>", "coveyback", "covey-journal@example.com."),
        ])
    func hidden(typed: String, mailer: String, rewritten: String) throws {
        #expect(
            isRefused(
                try #require(Self.rules).classifyAtFrontDoor(typed: typed, mailer: mailer, rewritten: rewritten)))
    }

    private func isRefused(_ kind: RecipientKind) -> Bool {
        if case .refused(let reply) = kind { reply.code == 550 && reply.enhanced == "5.7.1" } else { false }
    }

    @Test(arguments: [
        ("<u1@example.com>", "u1@example.com"), ("u1@example.net", "u1@example.net"),
        ("<U1@EXAMPLE.Com>", "U1@example.com"), ("<u1+list@example.com>", "u1+list@example.com"),
        ("<\"a@b\"@example.com>", "\"a@b\"@example.com"), ("<\"a b\"@example.com>", "\"a b\"@example.com"),
        ("<covey@example.com>", "covey@example.com"), ("<covey-journa@example.com>", "covey-journa@example.com"),
        ("<covey-journalist@example.com>", "covey-journalist@example.com"),
    ])
    func `a mailbox of the cluster on its way to the back door is a candidate`(typed: String, text: String) throws {
        guard case .candidate(let address) = try front(typed) else {
            Issue.record("no candidate")
            return
        }
        #expect(address.text == text)
        // What delrcpt must match (facts 6).
        #expect(address.typed == typed)
        #expect(address.key == text.lowercased())
    }

    @Test(arguments: ["covey-lmtp", "covey-smtp", "coveylmtp", "coveylmtp2424"])
    func `however an address is written that the MTA would carry as a missing copy, nobody may write there`(
        mailer: String
    ) throws {
        guard case .refused(let reply) = try front("<u1%example.com.a.covey.invalid@mh1.example.com>", mailer: mailer)
        else {
            Issue.record("not refused")
            return
        }
        #expect(reply.code == 550)
    }

    @Test(arguments: [nil, "", "virtual", "local", "smtp"])
    func `where the MTA chose another way, the recipient is left to it`(mailer: String?) throws {
        #expect(try front("<u1@example.com>", mailer: mailer) == .leftToMTA)
    }

    @Test(arguments: [
        "<u1@example.org>", "<u1@sub.example.com>", "<u1@example.com.example.org>", "<u1>", "u1", "<>", "",
        "<@example.com>", "<u1@>", "<@relay.example.org:u1@example.com>", "<u1@example.com", "u1@example.com>",
        "<jörg@example.com>", "<u1@exämple.com>", "<u1\u{7}@example.com>", "<u1\r\n@example.com>",
        "<<u1@example.com>>",
    ])
    func `anything else is no concern of ours at the front door, and an error at the back`(typed: String) throws {
        #expect(try front(typed) == .foreign)
        guard case .refused(let reply) = try #require(Self.rules).classifyAtBackDoor(typed: typed) else {
            Issue.record("taken at the back door")
            return
        }
        #expect([553, 554].contains(reply.code))
        #expect(reply.enhanced.hasPrefix("5."))
    }

    @Test func `an argument that is no text is nobody's mailbox`() throws {
        #expect(try front(nil) == .foreign)
        guard case .refused = try #require(Self.rules).classifyAtBackDoor(typed: nil) else {
            Issue.record("taken at the back door")
            return
        }
    }

    @Test(arguments: [
        "<covey-journal@example.com>", "covey-journal@example.com", "<Covey-Journal@Example.COM>",
        "<covey-journal+x@example.com>", "<covey-journal-x@example.com>", "<\"covey-journal\"@example.com>",
        "<\"covey-journal+x\"@example.com>", "<\"COVEY-journal\"@example.com>", "<\"covey\\-journal\"@example.com>",
        "<covey\\-journal@example.com>", "<\"covey\"-journal@example.com>", "<covey-\"journal\"@example.com>",
    ])
    func `the journal takes no mail, however it is spelt`(typed: String) throws {
        #expect(isRefused(try front(typed)))
        #expect(isRefused(try front(typed, mailer: nil)), "whatever way the MTA chose")
        #expect(isRefused(try #require(Self.rules).classifyAtBackDoor(typed: typed)))
    }

    @Test(arguments: [
        "<u1@example.com.b.covey.invalid>", "<u1@covey.invalid>", "<u1@EXAMPLE.com.B.Covey.INVALID>",
        "u1@example.org.a.covey.invalid", "<\"u@1\"@x.covey.invalid>",
    ])
    func `the addresses of missing copies are not for others`(typed: String) throws {
        #expect(isRefused(try front(typed)))
        #expect(isRefused(try front(typed, mailer: "covey-lmtp")))
        #expect(isRefused(try #require(Self.rules).classifyAtBackDoor(typed: typed)))
    }

    @Test(arguments: ["<u1@notcovey.invalid>", "<u1@covey.invalid.example.org>"])
    func `a domain that only looks so is not reserved`(typed: String) throws {
        #expect(try front(typed) == .foreign)
    }

    @Test(arguments: [
        ("<u1@Example.com>", "u1@example.com.b.covey.invalid"),
        ("<U1+x@example.com>", "U1+x@example.com.b.covey.invalid"),
        ("\"a b\"@example.com", "\"a b\"@example.com.b.covey.invalid"),
    ])
    func `a missing copy's address names mailbox and server`(typed: String, expected: String) throws {
        let address = try #require(MailboxAddress(typed: typed))
        #expect(address.missingCopyAddress(server: "b") == expected)
    }
}
