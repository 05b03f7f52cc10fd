import CoveyCore
import Testing

@Suite struct MergedMaildropTests {
    private func listing(_ server: Int, _ ids: String, octets: Int = 100) -> ServerListing {
        ServerListing(
            server: server,
            messages: ids.enumerated().map { .init(number: $0.offset + 1, id: String($0.element), octets: octets) })
    }

    @Test(
        arguments: [
            ([(0, "abc"), (1, "abc")], "abc"),
            ([(0, "abc"), (1, "cba")], "abc"),
            ([(1, "cba"), (0, "abc")], "abc"),
            ([(0, "ac"), (1, "abcd")], "acbd"),
            ([(0, ""), (1, "xy")], "xy"),
            ([(0, "aba"), (1, "b")], "ab"),
            ([(0, "a"), (1, "zb"), (2, "yza")], "azby"),
            ([(2, "ca")], "ca"),
            ([], ""),
        ] as [([(Int, String)], String)])
    func `shows the union, the first server's order first`(listings: [(Int, String)], expected: String) {
        let maildrop = MergedMaildrop(listings: listings.map { listing($0.0, $0.1) }, preference: [0, 1, 2])
        #expect(maildrop.ids == expected.map { String($0) })
        #expect(maildrop.count == expected.count)
    }

    @Test(arguments: [([0, 1], 10), ([1, 0], 20), ([1], 20), ([], 10)])
    func `shows the size of the copy that would be read`(preference: [Int], octets: Int) {
        let maildrop = MergedMaildrop(
            listings: [listing(0, "a", octets: 10), listing(1, "a", octets: 20)], preference: preference)
        #expect(maildrop.octets(of: 0) == octets)
    }

    @Test func `knows every copy, the preferred server's first`() {
        let maildrop = MergedMaildrop(listings: [listing(0, "aba"), listing(1, "cca")], preference: [1, 0])
        #expect(maildrop.ids == ["a", "b", "c"])
        func places(_ message: Int) -> [[Int]] { maildrop.copies(of: message).map { [$0.server, $0.number] } }
        #expect(places(0) == [[1, 3], [0, 1], [0, 3]])
        #expect(places(1) == [[0, 2]])
        #expect(places(2) == [[1, 1], [1, 2]])
    }

    @Test func `a deletion names every copy on every server that is there`() {
        let maildrop = MergedMaildrop(listings: [listing(0, "aba"), listing(1, "ba")], preference: [0, 1])
        let plan = DeletionPlan(maildrop: maildrop, marked: [0], servers: 0..<2, alive: [0, 1])
        #expect(plan.ids == ["a"])
        #expect(plan.numbers == [0: [1, 3], 1: [2]])
        #expect(!plan.needsRecordFirst)
    }

    @Test func `a deletion that a configured server cannot be told needs a record first`() {
        let maildrop = MergedMaildrop(listings: [listing(0, "ab"), listing(1, "ab")], preference: [0, 1])
        let plan = DeletionPlan(maildrop: maildrop, marked: [1], servers: 0..<3, alive: [0])
        #expect(plan.numbers == [0: [2]])
        #expect(plan.needsRecordFirst)
        let nothing = DeletionPlan(maildrop: maildrop, marked: [], servers: 0..<3, alive: [0])
        #expect(!nothing.needsRecordFirst)
    }

    @Test func `a deletion needs a record first where a server's copy may still be on its way`() {
        let maildrop = MergedMaildrop(listings: [listing(0, "ab"), listing(1, "b")], preference: [0, 1])
        let late = DeletionPlan(maildrop: maildrop, marked: [0], servers: 0..<2, alive: [0, 1])
        #expect(late.needsRecordFirst)
        let present = DeletionPlan(maildrop: maildrop, marked: [1], servers: 0..<2, alive: [0, 1])
        #expect(!present.needsRecordFirst)
    }

    @Test func `what was deleted before is not shown, and goes at the next occasion`() {
        let maildrop = MergedMaildrop(
            listings: [listing(0, "aba"), listing(1, "cba")], preference: [0, 1], deleted: ["a", "x"])
        #expect(maildrop.ids == ["b", "c"])
        let plan = DeletionPlan(maildrop: maildrop, marked: [], servers: 0..<2, alive: [0, 1])
        #expect(plan.numbers == [0: [1, 3], 1: [3]])
        #expect(plan.ids == [])
        #expect(!plan.needsRecordFirst)
    }

    @Test func `a hundred thousand messages on two servers merge without trouble`() {
        let ids = (0..<100_000).map { "cv1message\($0)" }
        func listing(_ server: Int, _ ids: some Collection<String>) -> ServerListing {
            ServerListing(
                server: server, messages: zip(1..., ids).map { .init(number: $0, id: $1, octets: $0) })
        }
        let maildrop = MergedMaildrop(
            listings: [listing(0, ids), listing(1, ids.reversed())], preference: [1, 0])
        #expect(maildrop.ids == ids)
        #expect(maildrop.copies(of: 0).map(\.number) == [100_000, 1])
    }
}

@Suite struct LoginVerdictTests {
    @Test(
        arguments: [
            ([.accepted, .accepted], .all, .accepted),
            ([.accepted, .pending], .all, .undecided),
            ([.accepted, .leftOut], .all, .accepted),
            ([.accepted, .refused], .all, .refused),
            ([.refused, .pending], .all, .refused),
            ([.leftOut, .leftOut], .all, .unavailable),
            ([.leftOut, .refused], .all, .refused),
            ([.accepted, .refused], .any, .accepted),
            ([.refused, .pending], .any, .undecided),
            ([.refused, .refused], .any, .refused),
            ([.leftOut, .refused], .any, .refused),
            ([.leftOut, .leftOut], .any, .unavailable),
        ] as [([LoginVerdict.Answer], ClusterConfiguration.POP3.Auth, LoginVerdict)])
    func `weighs the servers' answers`(
        answers: [LoginVerdict.Answer], auth: ClusterConfiguration.POP3.Auth, expected: LoginVerdict
    ) {
        #expect(LoginVerdict(answers, auth: auth) == expected)
    }

    @Test(
        arguments: [
            ("Joe@Example.COM", "example.org", "joe@example.com"), ("joe", "example.com", "joe@example.com"),
            ("JOE", nil, "joe"),
        ] as [(String, String?, String)])
    func `a login name becomes the mailbox address`(name: String, domain: String?, expected: String) {
        #expect(LoginName.mailbox(for: name, defaultDomain: domain) == expected)
    }
}

extension MergedMaildropTests {
    /// What servers hold; which of them have lost touch; what is shown; how many are withheld.
    static let touchCases: [([(Int, String)], Set<Int>, String, Int)] = [
        ([(0, "ab"), (1, "abc")], [], "abc", 0),
        ([(0, "ab"), (1, "abc")], [1], "ab", 1),
        ([(0, "abxc"), (1, "b")], [0], "b", 2),
        ([(1, "abc")], [1], "abc", 0),
        ([(0, "ab"), (1, "bc")], [0, 1], "abc", 0),
        ([(0, "a"), (1, "bc"), (2, "bd")], [1, 2], "a", 3),
    ]

    @Test(arguments: touchCases)
    func `what only servers that lost touch hold is withheld, unless no other answers`(
        listings: [(Int, String)], outOfTouch: Set<Int>, expected: String, withheld: Int
    ) {
        let maildrop = MergedMaildrop(
            listings: listings.map { listing($0.0, $0.1) }, preference: [0, 1, 2], deleted: ["x"],
            outOfTouch: outOfTouch)
        #expect(maildrop.ids == expected.map { String($0) })
        #expect(maildrop.withheldCount == withheld)
        // What the journal names goes, whoever holds it; what is withheld stays.
        #expect(maildrop.hiddenCopies.count == (listings.contains { $0.1.contains("x") } ? 1 : 0))
    }
}
