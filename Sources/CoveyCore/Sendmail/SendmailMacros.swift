/// The m4 file that sendmail.mc includes before its MAILER lines.
extension SendmailSettings {
    static func macros(_ configuration: ClusterConfiguration) -> [Section] {
        doors(configuration) + queue(configuration) + mailers(configuration) + rulesets
    }

    private static func doors(_ configuration: ClusterConfiguration) -> [Section] {
        let milter = configuration.milter
        // A command may have to wait for a connection to a mailbox server and its reply; the end of a message for at
        // most four minutes (design §4.1), which progress reports do not extend (facts 12).
        let reply = max(60, seconds(milter.connectTimeout) + seconds(milter.deliveryTimeout) + 15)
        return [
            Section(
                reason:
                    "The milter, which must be the last filter, so that it sees what the others did: this file is included behind their INPUT_MAIL_FILTER lines, and wherever InputMailFilters or confINPUT_MAIL_FILTERS is set by hand, covey ends the list. F=T: when it is down, senders try again later; without that, mail would pass unfiltered.",
                lines: [
                    "INPUT_MAIL_FILTER(`covey', `S=\(address(milter.socket)), F=T, T=C:10s;S:60s;R:\(reply)s;E:5m')dnl"
                ]),
            Section(
                reason:
                    "It must hear of mail that another rule has put into quarantine, and leave it there. At connect it needs {daemon_name}, and at RCPT {rcpt_mailer} and {rcpt_addr}: Sendmail sends these unless you changed confMILTER_MACROS_CONNECT or confMILTER_MACROS_ENVRCPT.",
                lines: [
                    "define(`confMILTER_MACROS_EOM', defn(`confMILTER_MACROS_EOM')`, {quarantine}')dnl"
                ]),
            Section(
                reason:
                    "The back door, where the milter is final: all mail for the cluster that it did not store at the front door comes here, and it relays for nobody. No canonification, AUTH, STARTTLS or ETRN; unqualified senders pass. Use no port redirection to it: it is for Sendmail itself.",
                lines: [
                    "DAEMON_OPTIONS(`Name=COVEY, Family=inet, Addr=127.0.0.1, Port=\(backDoorPort), InputMailFilters=covey, M=ACESu')dnl"
                ]),
            Section(
                reason:
                    "A message that the milter has stored everywhere is dropped before it is ever flushed to the disk.",
                lines: ["define(`confSAFE_QUEUE', `PostMilter')dnl"]),
        ]
    }

    private static func queue(_ configuration: ClusterConfiguration) -> [Section] {
        [
            Section(
                reason:
                    "Mail for the cluster's domains is taken from everywhere. (Sendmail takes their subdomains along, unless you have FEATURE(`relay_hosts_only').)",
                lines: ["RELAY_DOMAIN(`\(configuration.cluster.domains.joined(separator: " "))')dnl"]),
            Section(
                reason: "The ways of missing copies and of the cluster's domains are in /etc/mail/mailertable.",
                lines: ["ifdef(`_MAILER_TABLE_', `', `FEATURE(`mailertable')')dnl"]),
            Section(
                reason:
                    "Addresses are left as they are: without this each one is looked up in DNS, the made-up ones of missing copies too, and these would wait while DNS is away.",
                lines: ["ifdef(`_NO_CANONIFY_', `', `FEATURE(`nocanonify')')dnl"]),
        ]
    }

    private static func mailers(_ configuration: ClusterConfiguration) -> [Section] {
        // S and R: rulesets for envelope/header.
        let unchanging = "E=\\r\\n, L=0, T=DNS/RFC822/SMTP"
        var copies: [String] = []
        for server in configuration.mailboxes {
            let (name, port) = (copyMailer(server), server.delivery.port)
            // m: many recipients at once, which LMTP can answer one by one; SMTP cannot.
            let flags = server.deliveryProtocol == .lmtp ? "muX8zk" : "auX8k"
            let line =
                "M\(name), P=[IPC], F=\(flags), S=EnvFromSMTP/CoveyAsIs, R=CoveyTo/CoveyAsIs, r=50, \(unchanging), A=TCP $h \(port)"
            if !copies.contains(line) { copies.append(line) }
        }
        return [
            Section(
                reason:
                    "Mailers. They change nothing in a message: no line length limit (L=0), no 8-bit conversion (F=8), no added fields (no D, F, M).",
                lines: ["MAILER_DEFINITIONS"]),
            Section(reason: "Missing copies: to a mailbox server, under the mailbox's own address.", lines: copies),
            Section(
                reason:
                    "To the back door: one recipient at a time (no F=m), because the answer at the end of a message is one for all. F=k: that it meets itself there is no loop.",
                lines: [
                    "Mcoveyback, P=[IPC], F=auX8k, S=EnvFromSMTP/CoveyAsIs, R=CoveyAsIs/CoveyAsIs, \(unchanging), A=TCP $h \(backDoorPort)"
                ]),
        ]
    }

    private static let rulesets = [
        Section(
            reason: "Rulesets of these mailers. The left and the right side of a rule are parted by tabs.",
            lines: ["LOCAL_RULESETS"]),
        Section(
            reason: "user@domain.SERVER.covey.invalid is user@domain on that server.",
            lines: [
                "SCoveyTo", "R$+ < @ $+ . $- . covey . invalid . >\t$1 < @ $2 . >",
                "R$+ < @ $+ . $- . covey . invalid >\t$1 < @ $2 >",
            ]),
        Section(reason: "Addresses in header fields, and everything else, stay.", lines: ["SCoveyAsIs", "R$*\t$: $1"]),
    ]

    /// The milter's address as Sendmail writes it.
    private static func address(_ socket: String) -> String {
        socket.hasPrefix("unix:") ? "local:" + socket.dropFirst("unix:".count) : socket
    }

    private static func seconds(_ duration: Duration) -> Int {
        Int(duration.components.seconds) + (duration.components.attoseconds > 0 ? 1 : 0)
    }
}
