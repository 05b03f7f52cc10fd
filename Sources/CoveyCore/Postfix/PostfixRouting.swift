/// Where a hub's Postfix sends the mail that is left to it (design §4.2, §4.3).
extension PostfixSettings {
    static func routing(_ configuration: ClusterConfiguration) -> [Section] {
        let domains = configuration.cluster.domains
        let copies = configuration.mailboxes.map { server in
            // Brackets: no MX lookup.
            "/\\.\(server.name)\\.covey\\.invalid$/ "
                + "\(copyTransport(server)):[\(server.delivery.host)]:\(server.delivery.port)"
        }
        var sections = [
            Section(
                reason: "The cluster's domains, and not their subdomains, are relayed.",
                instructions: [
                    .file("relay_domains", domains.map { "/^\(pattern($0))$/ OK" }),
                    .append("relay_domains", table("relay_domains")),
                    .file("relay_recipients", domains.map { "/@\(pattern($0))$/ OK" }),
                    .appendIfSet("relay_recipient_maps", table("relay_recipients")),
                ]),
            Section(
                reason:
                    "Missing copies go straight to their server, whatever else the tables say; one queue and one back-off for each server.",
                instructions: [
                    .file("transport_copies", copies + ["/[@.]covey\\.invalid$/ error:5.1.2 No such mailbox server"]),
                    .prepend("transport_maps", table("transport_copies")),
                ]),
            Section(
                reason:
                    "Everything else for the cluster goes through the back door. Last in the list: an entry for a single address still counts, while one for the whole domain does not, because whole addresses are looked up first.",
                instructions: [
                    .file("transport", domains.map { "/@\(pattern($0))$/ covey-back:[127.0.0.1]:10035" }),
                    .append("transport_maps", table("transport")),
                    .appendIfSet("address_verify_transport_maps", table("transport")),
                ]),
        ]
        for name in ["covey-lmtp", "covey-lmtps", "covey-smtp", "covey-smtps"] {
            let servers = configuration.mailboxes.filter { copyTransport($0) == name }
            guard let program = servers.first?.deliveryProtocol.rawValue else { continue }
            sections.append(copyClient(name, program: program, servers))
        }
        if configuration.mailboxes.contains(where: { $0.tls != .none }) {
            sections.append(
                Section(
                    reason: "Which server's copies go encrypted, and whom its certificate must be for.",
                    instructions: [.file("copy_tls", copyTLSPolicies(configuration))]))
        }
        sections.append(
            Section(
                reason:
                    "Turns the address of a missing copy back into the mailbox's own; used by the transports above alone, because it would change header fields too.",
                instructions: [.file("generic", ["/^(.*)\\.[a-z0-9-]+\\.covey\\.invalid$/ $1"])]))
        sections.append(
            Section(
                reason: "A returning server's copies are sent at once, with postqueue -s.",
                instructions: [
                    .append("fast_flush_domains", "covey.invalid"),
                    .serviceIfMissing("flush/unix", "flush unix n - n 1000? 0 flush"),
                ]))
        return sections
    }

    /// A client for missing copies: what arrives must be what arrived at the other servers.
    private static func copyClient(
        _ name: String, program: String, _ servers: [ClusterConfiguration.MailboxServer]
    ) -> Section {
        let service = "\(name)/unix"
        return Section(
            reason:
                "The client for missing copies that go by \(program.uppercased()). It changes nothing in a message, and keeps a copy that the server refuses: nobody would hear of its bounce, while covey-milter reports what stays in the queue.",
            instructions: [
                .service(service, "\(name) unix - - n - - \(program)"),
                .option("\(service)/syslog_name", "postfix/\(name)"),
                .option("\(service)/\(program)_generic_maps", table("generic")),
                .option("\(service)/\(program)_fallback_relay", ""),
                .option("\(service)/soft_bounce", "yes"),
            ] + copyTimeouts(service, program: program) + unchanging(service, program: program)
                + copyTLS(service, program: program, servers))
    }

    /// A try that hangs on a host without power would outlast the flushes at its return, and all copies behind it would
    /// wait for it: Postfix gives RCPT 300 s, and 600 s to what follows the final dot. That last wait is the longest here,
    /// too, since a copy that was stored after all goes there twice.
    private static func copyTimeouts(_ service: String, program: String) -> [PostfixInstruction] {
        let waits = [
            ("connect", "10s"), (program == "lmtp" ? "lhlo" : "helo", "20s"), ("starttls", "20s"),
            ("mail", "30s"), ("rcpt", "30s"), ("data_init", "30s"), ("data_xfer", "60s"), ("data_done", "100s"),
            ("rset", "10s"), ("quit", "10s"),
        ]
        return waits.map { .option("\(service)/\(program)_\($0)_timeout", $1) }
    }

    /// Options that keep a client from rewriting messages.
    private static func unchanging(_ service: String, program: String) -> [PostfixInstruction] {
        let checks = ["header", "mime_header", "nested_header", "body"]
        return [
            .option("\(service)/\(program)_line_length_limit", "0"),
            .option("\(service)/disable_mime_output_conversion", "yes"),
        ] + checks.map { .option("\(service)/\(program)_\($0)_checks", "") }
    }

    static func backDoor(_ configuration: ClusterConfiguration) -> [Section] {
        let client = "covey-back/unix"
        let server = "\(backDoor)/inet"
        return [
            Section(
                reason:
                    "The client that takes mail to the back door: one recipient at a time, because the answer at the end of a message is one for all. The site's relay, TLS and login settings are for other servers.",
                instructions: [
                    .service(client, "covey-back unix - - n - - smtp"),
                    .option("\(client)/syslog_name", "postfix/covey-back"),
                    .option("\(client)/smtp_generic_maps", ""),
                    .option("\(client)/smtp_fallback_relay", ""),
                    .option("\(client)/smtp_bind_address", ""),
                    .option("\(client)/smtp_bind_address6", ""),
                    .option("\(client)/smtp_tls_security_level", "none"),
                    .option("\(client)/smtp_tls_policy_maps", ""),
                    .option("\(client)/smtp_sasl_auth_enable", "no"),
                ] + unchanging(client, program: "smtp") + [
                    .set("covey-back_destination_recipient_limit", "1")
                ]),
            Section(
                reason:
                    "The back door: an smtpd on loopback where the milter is final. It changes nothing in a message, relays for nobody and takes no mail for the journal.",
                instructions: [.service(server, "\(backDoor) inet n - n - - smtpd")]
                    + backDoorOptions.map { .option("\(server)/\($0)", $1) }),
            Section(
                reason: "Its cleanup. A message that has grown by a Received field must not fail here for its size.",
                instructions: [
                    .service("covey-cleanup/unix", "covey-cleanup unix n - n - 0 cleanup"),
                    .option("covey-cleanup/unix/syslog_name", "postfix/covey-back"),
                    .option("covey-cleanup/unix/message_size_limit", "0"),
                ]),
        ]
    }

    private static let backDoorOptions: [(String, String)] = [
        ("syslog_name", "postfix/covey-back"),
        ("milter_macro_daemon_name", "COVEY"),
        ("smtpd_milters", "$covey_milter"),
        ("smtpd_milter_maps", ""),
        ("cleanup_service_name", "covey-cleanup"),
        ("message_size_limit", "0"),
        ("receive_override_options", "no_address_mappings,no_header_body_checks"),
        ("local_header_rewrite_clients", ""),
        ("content_filter", ""),
        ("smtpd_client_restrictions", ""),
        ("smtpd_helo_restrictions", ""),
        ("smtpd_sender_restrictions", ""),
        ("smtpd_relay_restrictions", "$covey_refuse,reject_unauth_destination"),
        ("smtpd_recipient_restrictions", ""),
        ("smtpd_data_restrictions", ""),
        ("smtpd_end_of_data_restrictions", ""),
        ("smtpd_reject_unlisted_recipient", "no"),
        ("smtpd_reject_unlisted_sender", "no"),
        ("smtpd_helo_required", "no"),
        ("smtpd_tls_security_level", "none"),
        ("smtpd_sasl_auth_enable", "no"),
        ("smtpd_upstream_proxy_protocol", ""),
        ("smtpd_peername_lookup", "no"),
        ("smtpd_client_connection_count_limit", "0"),
        ("smtpd_client_connection_rate_limit", "0"),
        ("smtpd_client_message_rate_limit", "0"),
        ("smtpd_client_recipient_rate_limit", "0"),
        ("smtpd_error_sleep_time", "0"),
        ("smtpd_soft_error_limit", "1000"),
        ("smtpd_hard_error_limit", "1000"),
    ]

    static func verification(_ configuration: ClusterConfiguration) -> [Section] {
        let rules = configuration.cluster.domains.map { "/@\(pattern($0))$/ reject_unverified_recipient" }
        return [
            Section(
                reason:
                    "Unknown users are refused while the sender still waits, aliases to unknown users too: Postfix asks the back door. The table keeps it from asking about other people's domains.",
                instructions: [
                    .file("verify", rules),
                    .set("covey_verify", "check_recipient_access \(table("verify"))"),
                    .appendRule("smtpd_recipient_restrictions", "$covey_verify"),
                    .set("unverified_recipient_reject_code", "550"),
                ]),
            Section(
                reason: "A new user is known after a minute, a removed one unknown after an hour.",
                instructions: [
                    .set("address_verify_negative_refresh_time", "60s"),
                    .set("address_verify_negative_expire_time", "60s"),
                    .set("address_verify_positive_refresh_time", "1h"),
                    .set("address_verify_poll_delay", "1s"),
                    // Postfix's own patience is three polls of three seconds.
                    .set("address_verify_poll_count", "${stress?{1}:{8}}"),
                ]),
        ]
    }
}
