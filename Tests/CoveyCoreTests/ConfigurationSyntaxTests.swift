import Testing

@testable import CoveyCore

@Suite struct ConfigurationSyntaxTests {
    static let document = #"""
        # a comment with [table] and key = 1
        top = 1
        [ a . "b" ]        # header with blanks and quotes
        key = "]#[" # x
        "quoted key" = 'c:\'
        list = [ # one
            "[[x]]",
            [1, 2],
            { name = "n", inner = [3] },
        ]
        text = """
        [no.table]
        no = "key"
        ""\""""""
        raw = '''
        [no]'''
        date = 1979-05-27 07:32:00
        [[t]]
        x = 1
        [[t]]
        y.z = 2
        [t.sub]
        w = 3
        """#

    @Test(arguments: [
        ("top", 2), ("a.b", 3), ("a.b.key", 4), ("a.b.quoted key", 5), ("a.b.list", 6), ("a.b.list[0]", 7),
        ("a.b.list[1]", 8), ("a.b.list[2].name", 9), ("a.b.list[2].inner[0]", 9), ("a.b.text", 11), ("a.b.raw", 15),
        ("a.b.date", 17), ("t[0]", 18), ("t[0].x", 19), ("t[1]", 20), ("t[1].y.z", 21), ("t[1].sub", 22),
        ("t[1].sub.w", 23),
    ])
    func `the locator knows the line of every key`(path: String, line: Int) {
        #expect(KeyLocator(text: Self.document).line(of: path) == line)
    }

    @Test(arguments: ["no", "no.table", "no.table.no", "t[2]", "table"])
    func `the locator is not fooled by strings and comments`(path: String) {
        #expect(KeyLocator(text: Self.document).line(of: path) == nil)
    }

    @Test(arguments: [
        "", "[", "[[", "a", "a =", "a = [", "a = {", "a = \"", "a = '''", "= 1", "[a\n[b", "\u{0}", "a.=1",
    ])
    func `the locator ends on anything`(text: String) {
        #expect(KeyLocator(text: text).line(of: "zzz") == nil)
    }

    @Test(arguments: [
        ("500ms", 500), ("3s", 3000), ("2m", 120_000), ("1h", 3_600_000), ("10d", 864_000_000), ("2w", 1_209_600_000),
        ("0s", 0), ("", nil), ("s", nil), ("3", nil), ("-3s", nil), ("1.5s", nil), ("3 s", nil), ("3S", nil),
        ("٣s", nil), ("99999999999999999999s", nil), ("9223372036854775807d", nil),
    ])
    func `a duration is a whole number with a unit`(text: String, milliseconds: Int?) {
        #expect(Units.duration(text) == milliseconds.map { .milliseconds($0) })
    }

    @Test(
        arguments: [
            ("1B", 1), ("64KiB", 65536), ("3MiB", 3_145_728), ("2GiB", 2_147_483_648), ("1TiB", 1_099_511_627_776),
            ("1KB", nil), ("1k", nil), ("KiB", nil), ("9223372036854775807KiB", nil),
        ] as [(String, Int?)])
    func `a size is a whole number with a unit`(text: String, octets: Int?) {
        #expect(Units.size(text) == octets)
    }

    @Test(arguments: [
        (Duration.milliseconds(1500), "1500ms"), (.seconds(90), "90s"), (.seconds(120), "2m"), (.seconds(86400), "1d"),
        (.zero, "0s"), (.seconds(14 * 86400), "14d"),
    ])
    func `a duration is printed in the largest unit that holds it`(duration: Duration, text: String) {
        #expect(Units.text(duration) == text)
    }

    @Test(arguments: [
        ("delivry", "delivery", 1), ("lisetn", "listen", 1), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3),
        ("same", "same", 0),
    ])
    func `typing mistakes are counted`(left: String, right: String, count: Int) {
        #expect(KnownKeys.distance(left, right) == count)
    }
}
