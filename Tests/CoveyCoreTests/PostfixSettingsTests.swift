import CoveyCore
import Testing

@Suite struct PostfixSettingsTests {
    private func lines(_ text: String) throws -> [String] {
        let configuration = try SampleConfiguration.load(text)
        return PostfixSettings(configuration, hub: "mh1").text.split(separator: "\n").map(String.init)
    }

    @Test func `every instruction has a reason above it`() throws {
        let text = PostfixSettings(try SampleConfiguration.load(SampleConfiguration.small), hub: "mh1").text
        let paragraphs = text.split(separator: "\n\n").dropFirst()
        #expect(paragraphs.count > 15)
        for paragraph in paragraphs {
            #expect(paragraph.hasPrefix("# "))
            #expect(paragraph.split(separator: "\n").contains { !$0.hasPrefix("#") })
        }
        #expect(text.split(separator: "\n").filter { $0.hasPrefix("#") }.allSatisfy { $0.count <= 120 })
    }

    @Test(arguments: [
        "in_flow_delay = 0", "unverified_recipient_reject_code = 550", "address_verify_negative_refresh_time = 60s",
        "address_verify_negative_expire_time = 60s", "covey-back_destination_recipient_limit = 1",
        "smtpd_forbid_bare_newline = yes",
    ])
    func `what the facts demand of main.cf is set`(setting: String) throws {
        #expect(try lines(SampleConfiguration.small).contains("set \(setting)"))
    }

    @Test(arguments: [
        "covey-lmtp/unix/lmtp_line_length_limit = 0", "covey-lmtp/unix/disable_mime_output_conversion = yes",
        "covey-lmtp/unix/lmtp_generic_maps = regexp:/etc/postfix/covey/generic", "covey-lmtp/unix/soft_bounce = yes",
        "covey-back/unix/smtp_line_length_limit = 0", "covey-back/unix/disable_mime_output_conversion = yes",
        "127.0.0.1:10035/inet/milter_macro_daemon_name = COVEY",
        "127.0.0.1:10035/inet/local_header_rewrite_clients = ",
        "127.0.0.1:10035/inet/receive_override_options = no_address_mappings,no_header_body_checks",
        "127.0.0.1:10035/inet/smtpd_milter_maps = ",
        "127.0.0.1:10035/inet/smtpd_relay_restrictions = $covey_refuse,reject_unauth_destination",
    ])
    func `what the facts demand of master.cf is there`(option: String) throws {
        #expect(try lines(SampleConfiguration.small).contains("option \(option)"))
    }

    @Test func `missing copies go to their server, the rest through the back door`() throws {
        let lines = try lines(SampleConfiguration.small)
        #expect(lines.contains("| /\\.a\\.covey\\.invalid$/ covey-lmtp:[192.0.2.21]:24"))
        #expect(lines.contains("| /\\.b\\.covey\\.invalid$/ covey-lmtp:[2001:db8::22]:24"))
        #expect(lines.contains("| /@example\\.com$/ covey-back:[127.0.0.1]:10035"))
        #expect(!lines.contains { $0.contains("covey-smtp") })
    }

    @Test func `a server without LMTP gets copies by SMTP`() throws {
        let lines = try lines(ConfigurationLoaderTests.full)
        #expect(lines.contains("| /\\.a\\.covey\\.invalid$/ covey-smtps:[a.example.com]:2525"))
        let options = [
            "smtp_generic_maps = regexp:/etc/postfix/covey/generic", "smtp_line_length_limit = 0",
            "disable_mime_output_conversion = yes", "smtp_fallback_relay = ", "soft_bounce = yes",
        ]
        for option in options { #expect(lines.contains("option covey-smtps/unix/\(option)")) }
        #expect(!lines.contains { $0.hasPrefix("service covey-lmtp") })
    }

    /// With Postfix's own time-outs (300 s for RCPT, 600 s after the final dot) tries that a power failure left hanging keep
    /// all copies for that server waiting after it is back. covey-milter flushes the queue two minutes after a return.
    @Test(arguments: [("covey-lmtp", "lmtp", "lhlo"), ("covey-smtps", "smtp", "helo")])
    func `no try outlasts the flush two minutes after the server's return`(
        client: String, program: String, hello: String
    ) throws {
        let lines = try lines(program == "lmtp" ? SampleConfiguration.small : ConfigurationLoaderTests.full)
        let waits = [
            "connect", hello, "starttls", "mail", "rcpt", "data_init", "data_xfer", "data_done", "rset", "quit",
        ]
        for wait in waits {
            let option = "option \(client)/unix/\(program)_\(wait)_timeout = "
            let line = try #require(lines.first { $0.hasPrefix(option) }, "\(option)")
            let seconds = try #require(Int(line.dropFirst(option.count).dropLast()))
            #expect(line.hasSuffix("s") && (1..<120).contains(seconds), "\(line)")
        }
    }

    @Test func `copies go encrypted where the server asks for it, by a client of their own where TLS is implicit`()
        throws
    {
        let plain = try lines(SampleConfiguration.small)
        #expect(!plain.contains { $0.contains("_tls_") && $0.contains("covey-lmtp") })
        let text =
            SampleConfiguration.small
            .replacing(
                "addresses = [\"192.0.2.21\"]",
                with: "addresses = [\"192.0.2.21\"]\ntls = \"starttls\"\nca_file = \"/etc/ca.pem\"", maxReplacements: 1
            )
            .replacing(
                "addresses = [\"2001:db8::22\"]",
                with: "addresses = [\"2001:db8::22\"]\ntls = \"implicit\"\nlmtp = \"b.example.net:24\"\nverify = true",
                maxReplacements: 1)
            + "[dns]\nzone = \"example.com\"\n"
        let lines = try lines(text)
        #expect(lines.contains("| /\\.a\\.covey\\.invalid$/ covey-lmtp:[192.0.2.21]:24"))
        #expect(lines.contains("| /\\.b\\.covey\\.invalid$/ covey-lmtps:[b.example.net]:24"))
        #expect(lines.contains("| /^\\[192\\.0\\.2\\.21\\]:24$/ secure match=a.example.com tafile=/etc/ca.pem"))
        #expect(lines.contains("| /^\\[b\\.example\\.net\\]:24$/ secure match=b.example.net"))
        for client in ["covey-lmtp", "covey-lmtps"] {
            #expect(lines.contains("option \(client)/unix/lmtp_tls_policy_maps = regexp:/etc/postfix/covey/copy_tls"))
            // What the table does not know must not go in clear.
            #expect(lines.contains("option \(client)/unix/lmtp_tls_security_level = secure"))
            #expect(lines.contains("option \(client)/unix/lmtp_tls_wrappermode = yes") == (client == "covey-lmtps"))
        }
    }

    @Test func `internal addresses and the journal are refused first`() throws {
        let lines = try lines(SampleConfiguration.small)
        #expect(lines.contains { $0.hasPrefix("| /[@.]covey\\.invalid\\.?$/ REJECT ") })
        #expect(lines.contains { $0.hasPrefix("| /^covey-journal([^a-z0-9].*)?@example\\.com$/ REJECT ") })
        #expect(lines.contains("prepend-everywhere smtpd_relay_restrictions = $covey_refuse"))
    }

    @Test(arguments: [
        ("unix:/var/spool/postfix/covey/milter.sock", "unix:covey/milter.sock"),
        ("unix:/run/covey/milter.sock", "unix:/run/covey/milter.sock"),
        ("inet:8891@192.0.2.11", "inet:192.0.2.11:8891"),
        ("inet6:8891@2001:db8::11", "inet:[2001:db8::11]:8891"),
    ])
    func `the milter's socket is named as smtpd sees it`(socket: String, address: String) throws {
        let lines = try lines(SampleConfiguration.small + "[milter]\nsocket = \"\(socket)\"\n")
        #expect(
            lines.contains(
                "set covey_milter = { \(address), default_action=tempfail, connect_timeout=10s, command_timeout=48s, "
                    + "content_timeout=300s }"))
    }

    @Test func `only a socket in the queue directory needs a directory there, others no chroot`() throws {
        let inside = try lines(SampleConfiguration.small)
        #expect(inside.contains("directory /var/spool/postfix/covey = covey:postfix 2750"))
        #expect(!inside.contains { $0.hasPrefix("forbid-chroot") })
        let outside = try lines(SampleConfiguration.small + "[milter]\nsocket = \"unix:/run/m.sock\"\n")
        #expect(!outside.contains { $0.hasPrefix("directory") })
        #expect(outside.contains { $0.hasPrefix("forbid-chroot smtpd = ") })
    }

    @Test func `a content filter is a contradiction for direct delivery only`() throws {
        #expect(try lines(SampleConfiguration.small).contains { $0.hasPrefix("forbid-set content_filter = ") })
        let queued = try lines(SampleConfiguration.small + "[milter]\ndelivery = \"queued\"\n")
        #expect(!queued.contains { $0.hasPrefix("forbid-set content_filter") })
        #expect(queued.contains { $0.hasPrefix("forbid-set smtpd_proxy_filter = ") })
    }
}
