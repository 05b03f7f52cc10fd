import CoveyCore
import Testing

@Suite struct SendmailSettingsTests {
    private func settings(_ text: String = SampleConfiguration.small) throws -> SendmailSettings {
        SendmailSettings(try SampleConfiguration.load(text), hub: "mh1")
    }

    private func lines(_ part: SendmailSettings.Part, _ text: String = SampleConfiguration.small) throws -> [String] {
        try settings(text).text(part).split(separator: "\n").map(String.init)
    }

    @Test("Every piece has a reason above it", arguments: SendmailSettings.Part.allCases)
    func reasons(part: SendmailSettings.Part) throws {
        let sections = try settings().sections(of: part)
        #expect(sections.count >= 2)
        #expect(sections.allSatisfy { !$0.reason.isEmpty && !$0.lines.isEmpty })
        let comments = try lines(part).filter { $0.hasPrefix("dnl") || $0.hasPrefix("#") }
        #expect(comments.count > sections.count)
        #expect(comments.allSatisfy { $0.count <= 120 })
    }

    @Test(arguments: [
        "INPUT_MAIL_FILTER(`covey', `S=local:/var/spool/postfix/covey/milter.sock, F=T, T=C:10s;S:60s;R:60s;E:5m')dnl",
        "DAEMON_OPTIONS(`Name=COVEY, Family=inet, Addr=127.0.0.1, Port=10035, InputMailFilters=covey, M=ACESu')dnl",
        "define(`confSAFE_QUEUE', `PostMilter')dnl",
        "define(`confMILTER_MACROS_EOM', defn(`confMILTER_MACROS_EOM')`, {quarantine}')dnl",
        "RELAY_DOMAIN(`example.com')dnl",
    ])
    func `what the facts demand is there`(line: String) throws {
        #expect(try lines(.macros).contains(line))
    }

    @Test func `a reply may take as long as the configuration lets a mailbox server take`() throws {
        let text = SampleConfiguration.small + "[milter]\ndelivery_timeout = \"2m\"\n"
        #expect(try lines(.macros, text).contains { $0.contains("T=C:10s;S:60s;R:138s;E:5m") })
    }

    @Test func `missing copies go to their server, the rest through the back door`() throws {
        let table = try lines(.mailertable).filter { !$0.hasPrefix("#") }
        #expect(
            table == [
                ".a.covey.invalid\tcoveylmtp:[192.0.2.21]", ".b.covey.invalid\tcoveylmtp:[IPv6:2001:db8::22]",
                ".covey.invalid\terror:5.1.2:550 No such mailbox server",
                "covey.invalid\terror:5.1.2:550 No such mailbox server", "example.com\tcoveyback:[127.0.0.1]",
            ])
    }

    @Test func `mailers change nothing, and one that speaks SMTP or the back door has one recipient at a time`() throws
    {
        let text = SampleConfiguration.small.replacing(
            "[\"192.0.2.21\"]", with: "[\"192.0.2.21\"]\nsmtp = \"192.0.2.21:26\"")
        let mailers = try lines(.macros, text).filter { $0.hasPrefix("M") && $0.contains("P=[IPC]") }
        #expect(mailers.map { String($0.prefix { $0 != "," }) } == ["Mcoveysmtp26", "Mcoveylmtp", "Mcoveyback"])
        for mailer in mailers {
            let flags = Set(mailer.split(separator: "F=")[1].prefix { $0 != "," })
            // D, F and M add fields; without 8, eight-bit text is recoded; without k, the hub refuses itself.
            #expect(flags.isDisjoint(with: "DFM") && flags.isSuperset(of: "8k"), "\(mailer)")
            #expect(flags.contains("m") == mailer.hasPrefix("Mcoveylmtp"), "\(mailer)")
            #expect(mailer.contains(" L=0,"), "\(mailer)")
        }
        #expect(mailers.map { $0.split(separator: " ").last.map(String.init) ?? "" } == ["26", "24", "10035"])
        #expect(try lines(.mailertable, text).contains(".a.covey.invalid\tcoveysmtp26:[192.0.2.21]"))
    }
}
