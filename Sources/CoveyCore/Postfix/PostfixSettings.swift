/// What a hub's Postfix must be told so that it works with covey-milter (design §4), as text for people and for
/// `postfix/setup`: one instruction a line, `VERB NAME = VALUE`, with the reason above it.
public struct PostfixSettings: Sendable, Equatable {
    /// Instructions that share a reason.
    public struct Section: Sendable, Equatable {
        public var reason: String
        public var instructions: [PostfixInstruction]
    }

    public let sections: [Section]
    private let title: String

    /// Where the back door listens (design §4.3). Not 10025, which content filters use.
    static let backDoor = "127.0.0.1:10035"
    /// Where setup puts our own tables.
    static let folder = "/etc/postfix/covey"
    static let queueDirectory = "/var/spool/postfix"

    /// - Parameters:
    ///   - configuration: the cluster.
    ///   - hub: name of the hub that the Postfix runs on.
    public init(_ configuration: ClusterConfiguration, hub: String) {
        title = "Postfix on hub \(hub) of \(configuration.cluster.domains.joined(separator: ", "))"
        sections =
            PostfixSettings.contradictions(configuration)
            + PostfixSettings.tables(configuration)
            + PostfixSettings.frontDoor(configuration)
            + PostfixSettings.routing(configuration)
            + PostfixSettings.backDoor(configuration)
            + PostfixSettings.verification(configuration)
    }

    /// All sections, ready to print.
    public var text: String {
        let head = "# \(title). Printed by covey postfix, applied by postfix/setup.\n"
        return head
            + sections.map { section in
                "\n" + PostfixSettings.wrapped(section.reason)
                    + section.instructions.map { $0.text + "\n" }.joined()
            }.joined()
    }

    private static func wrapped(_ reason: String) -> String {
        var lines: [String] = []
        for word in reason.split(separator: " ") {
            if let line = lines.last, line.count + word.count < 116 {
                lines[lines.count - 1] = "\(line) \(word)"
            } else {
                lines.append("# \(word)")
            }
        }
        return lines.map { $0 + "\n" }.joined()
    }
}

extension PostfixSettings {
    static func table(_ name: String) -> String { "regexp:\(folder)/\(name)" }

    /// A domain or local part as a regular expression.
    static func pattern(_ text: String) -> String {
        text.split(separator: ".", omittingEmptySubsequences: false).joined(separator: "\\.")
    }

    /// The milter's address as smtpd knows it: relative to the queue directory, which is the root of a chrooted smtpd
    /// and the working directory of one that is not.
    static func milterAddress(_ socket: String) -> (address: String, isOutside: Bool) {
        let parts = socket.split(separator: ":", maxSplits: 1)
        let rest = parts.last.map(String.init) ?? ""
        if parts.first?.hasPrefix("inet") == true {
            let pieces = rest.split(separator: "@", maxSplits: 1).map(String.init)
            let endpoint = Endpoint(host: pieces.last ?? "", port: Int(pieces.first ?? "") ?? 0)
            return ("inet:\(endpoint)", false)
        }
        let inside = queueDirectory + "/"
        return rest.hasPrefix(inside) ? ("unix:\(rest.dropFirst(inside.count))", false) : ("unix:\(rest)", true)
    }

    private static func seconds(_ duration: Duration) -> Int {
        Int(duration.components.seconds) + (duration.components.attoseconds > 0 ? 1 : 0)
    }

    private static func contradictions(_ configuration: ClusterConfiguration) -> [Section] {
        let lists = ["mydestination", "virtual_mailbox_domains", "virtual_alias_domains"]
        var sections = [
            Section(
                reason:
                    "Mail for the cluster goes to its mailbox servers: Postfix must not take these domains for its own.",
                instructions: configuration.cluster.domains.flatMap { domain in
                    lists.map { .forbidDomain($0, domain) }
                }),
            Section(
                reason: "A before-queue proxy filter hides the message from milters.",
                instructions: [
                    .forbidSet(
                        "smtpd_proxy_filter",
                        "run the filter as a milter (smtpd_milters), and remove smtpd_proxy_filter")
                ]),
            Section(
                reason: "These would change the addresses by which the queue carries missing copies.",
                instructions: configuration.mailboxes.flatMap { server in
                    configuration.cluster.domains.flatMap { domain in
                        ["virtual_alias_maps", "canonical_maps", "recipient_canonical_maps", "recipient_bcc_maps"].map {
                            .forbidRewrite($0, "covey-probe@\(domain).\(server.name).covey.invalid")
                        }
                    }
                }),
            Section(
                reason:
                    "A domain's mail must not be taken elsewhere by a pattern; entries for single addresses may stay.",
                instructions: configuration.cluster.domains.map {
                    .forbidRewrite("transport_maps", "covey-probe@\($0)")
                }),
        ]
        guard configuration.milter.delivery == .direct else { return sections }
        let queued = "or set milter.delivery = \"queued\" in cluster.toml"
        sections.append(
            Section(
                reason:
                    "With delivery = \"direct\" a message is stored before it is queued: what happens to queued mail only would not happen to it.",
                instructions: [
                    .forbidSet("content_filter", "run the filter as a milter (smtpd_milters), \(queued)"),
                    .forbidSet("always_bcc", "remove it, \(queued)"),
                    .forbidSet("sender_bcc_maps", "remove it, \(queued)"),
                    .warnActions("header_checks", "HOLD FILTER REDIRECT BCC"),
                    .warnActions("mime_header_checks", "HOLD FILTER REDIRECT BCC"),
                    .warnActions("nested_header_checks", "HOLD FILTER REDIRECT BCC"),
                    .warnActions("body_checks", "HOLD FILTER REDIRECT BCC"),
                ]))
        return sections
    }

    private static func tables(_ configuration: ClusterConfiguration) -> [Section] {
        let names = ["virtual_alias_maps", "canonical_maps", "recipient_canonical_maps", "recipient_bcc_maps"]
        return [
            Section(
                reason:
                    "Addresses in these tables stay with Postfix, which knows what they stand for: they go into milter.leave_to_mta.",
                instructions: names.map { .leaveToMTA($0, configuration.milter.user) })
        ]
    }

    private static func frontDoor(_ configuration: ClusterConfiguration) -> [Section] {
        let milter = configuration.milter
        let (address, isOutside) = milterAddress(milter.socket)
        // A command may have to wait for a connection to a mailbox server and its reply; the end of a message for at
        // most four minutes (design §4.1), while Postfix's own client waits ten.
        let command = max(30, seconds(milter.connectTimeout) + seconds(milter.deliveryTimeout) + 15)
        let settings = "default_action=tempfail, connect_timeout=10s, command_timeout=\(command)s, content_timeout=300s"
        var sections: [Section] = []
        if !isOutside, address.hasPrefix("unix:"), let slash = address.lastIndex(of: "/") {
            let relative = address[..<slash].dropFirst("unix:".count)
            sections.append(
                Section(
                    reason:
                        "The milter binds its socket in here; the set-group-id bit gives the socket the group that may connect.",
                    instructions: [.directory("\(queueDirectory)/\(relative)", "\(milter.user):postfix 2750")]))
        } else if isOutside {
            sections.append(
                Section(
                    reason: "A chrooted smtpd cannot see a socket outside of the queue directory.",
                    instructions: [
                        .forbidChroot("smtpd", "set milter.socket = \"\(MilterSocket.besidePostfix)\" in cluster.toml")
                    ]))
        }
        let journal = configuration.journal.mailbox.split(separator: "@").map(String.init)
        let (local, domain) = (pattern(journal.first ?? ""), pattern(journal.last ?? ""))
        sections += [
            Section(
                reason:
                    "The milter, last of all, so that it sees what the others did. When it is down, senders try again later.",
                instructions: [
                    .set("covey_milter", "{ \(address), \(settings) }"),
                    .lastEverywhere("smtpd_milters", "$covey_milter"),
                ]),
            Section(
                reason:
                    "Without this, cleanup waits a second for each message that the milter stored and Postfix need not queue.",
                instructions: [.set("in_flow_delay", "0")]),
            Section(
                reason:
                    "The end of a message is CR LF . CR LF alone (RFC 5321 §4.1.1.4); older Postfix takes LF . LF and others for it, too, by which a stranger smuggles in a second message with a sender of his choice.",
                instructions: [
                    // "yes" rather than "normalize", which the first versions to have this parameter do not know.
                    .set("smtpd_forbid_bare_newline", "yes")
                ]),
            Section(
                reason:
                    "Nobody but the milter may use the addresses of missing copies, and nobody writes to the journal.",
                instructions: [
                    .file(
                        "refuse",
                        [
                            "/[@.]covey\\.invalid\\.?$/ REJECT 5.7.1 This domain is for internal routing",
                            "/^\(local)([^a-z0-9].*)?@\(domain)$/ REJECT 5.7.1 This mailbox takes no mail",
                        ]),
                    .set("covey_refuse", "check_recipient_access \(table("refuse"))"),
                    .prependEverywhere("smtpd_relay_restrictions", "$covey_refuse"),
                ]),
            Section(
                reason:
                    "The mailbox servers know neither. A sender that is not offered them does without; one that was would see its mail bounce.",
                instructions: [
                    .append("smtpd_discard_ehlo_keywords", "smtputf8"), .append("smtpd_discard_ehlo_keywords", "dsn"),
                ]),
        ]
        return sections
    }
}
