import CoveyCore
import Testing

@Suite struct ConfigurationEditorTests {
    static let before = "[cluster]\ndomains = [\"example.com\"]\n"

    @Test(arguments: [
        // The table is there, the key is not.
        (
            "[milter] # ours\nmin_copies = 1\n",
            "[milter] # ours\nleave_to_mta = [\"hash:/v\", \"pcre:/w\"]\nmin_copies = 1\n"
        ),
        // One line, with a comment behind it and another indent.
        (
            "[milter]\n  leave_to_mta = [ ] # none yet\npoll = 1\n",
            "[milter]\n  leave_to_mta = [\"hash:/v\", \"pcre:/w\"] # none yet\npoll = 1\n"
        ),
        // Over several lines, with what looks like an end of the list.
        (
            "[milter]\nleave_to_mta = [\n  \"hash:/v]\", # ] \n  'x', ]\n\n# more\n[pop3]\n",
            "[milter]\nleave_to_mta = [\"hash:/v\", \"pcre:/w\"]\n\n# more\n[pop3]\n"
        ),
        // No table.
        ("", "\n[milter]\nleave_to_mta = [\"hash:/v\", \"pcre:/w\"]\n"),
    ])
    func `one key is changed and all else stays`(old: String, new: String) {
        #expect(
            ConfigurationEditor.settingLeaveToMTA(["hash:/v", "pcre:/w"], in: Self.before + old) == Self.before + new)
    }

    @Test(arguments: ["milter = { leave_to_mta = [], min_copies = 1 }\n", "milter.leave_to_mta = []\n"])
    func `what cannot be changed safely is left to a person`(text: String) {
        #expect(ConfigurationEditor.settingLeaveToMTA(["hash:/v"], in: text) == nil)
    }
}
