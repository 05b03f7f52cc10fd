/// What a hub's Sendmail must be told so that it works with covey-milter (design §4, facts 12 and 45), as text for an
/// administrator: every piece with its reason above it. sendmail/README.md says how to install it.
public struct SendmailSettings: Sendable, Equatable {
    /// A file that gets some of it.
    public enum Part: String, Sendable, Equatable, CaseIterable {
        /// Included by /etc/mail/sendmail.mc.
        case macros = "mc"
        /// Lines for /etc/mail/mailertable.
        case mailertable
        /// Keys for cluster.toml.
        case cluster

        /// How a comment begins there.
        var comment: String { self == .macros ? "dnl" : "#" }
    }

    /// Lines that share a reason.
    public struct Section: Sendable, Equatable {
        public var reason: String
        public var lines: [String]
    }

    private let title: String
    private let sections: [Part: [Section]]

    /// Where the back door listens (design §4.3). Not 10025, which content filters use.
    static let backDoorPort = 10035

    /// - Parameters:
    ///   - configuration: the cluster, as read on the hub itself: where the milter's socket is may depend on the host.
    ///   - hub: name of the hub that the Sendmail runs on.
    public init(_ configuration: ClusterConfiguration, hub: String) {
        title = "Sendmail on hub \(hub) of \(configuration.cluster.domains.joined(separator: ", "))"
        sections = [
            .macros: SendmailSettings.macros(configuration),
            .mailertable: SendmailSettings.mailertable(configuration),
            .cluster: SendmailSettings.cluster(configuration),
        ]
    }

    public func sections(of part: Part) -> [Section] { sections[part] ?? [] }

    /// One file's text, ready to be written there.
    public func text(_ part: Part) -> String {
        let head = SendmailSettings.wrapped(
            "\(title). Printed by covey sendmail; sendmail/README.md says how to install it.", after: part.comment)
        return head
            + sections(of: part).map { section in
                "\(part.comment)\n" + SendmailSettings.wrapped(section.reason, after: part.comment)
                    + section.lines.map { $0 + "\n" }.joined()
            }.joined()
    }

    /// All of it, for people.
    public var text: String {
        let places: [(Part, String)] = [
            (.macros, "/etc/mail/covey.m4"), (.mailertable, "/etc/mail/mailertable, at its end"),
            (.cluster, "cluster.toml, on every host"),
        ]
        return places.map { part, place in "==> \(place)  (covey sendmail --part \(part.rawValue))\n\(text(part))" }
            .joined(separator: "\n")
    }

    private static func wrapped(_ reason: String, after comment: String) -> String {
        var lines: [String] = []
        for word in reason.split(separator: " ") {
            if let line = lines.last, line.count + word.count < 116 {
                lines[lines.count - 1] = "\(line) \(word)"
            } else {
                lines.append("\(comment) \(word)")
            }
        }
        return lines.map { $0 + "\n" }.joined()
    }
}

extension SendmailSettings {
    private static func cluster(_ configuration: ClusterConfiguration) -> [Section] {
        [
            Section(
                reason:
                    "Below [milter]. Unknown users are refused while the sender still waits: Sendmail cannot ask the back door as Postfix does (it has no reject_unverified_recipient), so the milter asks the mailbox servers at RCPT. Aliases of the virtusertable are left to Sendmail and stay in use; one that leads to an unknown user bounces.",
                lines: ["reject_unknown = true"]),
            Section(
                reason:
                    "When a mailbox server is back, its missing copies are sent at once. ETRN needs no privileges, while sendmail -qR would need root. etrn comes with Debian's sendmail; it must be allowed on port 25 (no noetrn in confPRIVACY_FLAGS). With noetrn, let the user \(configuration.milter.user) run `sendmail -qR{domain}.{server}.covey.invalid` by a rule of sudoers, and name sudo here. Without either, missing copies wait for the next run of the queue. Hubs with Postfix in the same cluster need another command: name a script here that exists on every hub.",
                lines: ["flush_command = [\"/usr/sbin/etrn\", \"127.0.0.1\", \"{domain}.{server}.covey.invalid\"]"]),
            Section(
                reason:
                    "Lookup tables cannot be asked here, and need not be: Sendmail tells the milter what its own tables make of an address.",
                lines: ["leave_to_mta = []"]),
        ]
    }

    private static func mailertable(_ configuration: ClusterConfiguration) -> [Section] {
        let copies = configuration.mailboxes.map { server in
            ".\(server.name).\(MailboxAddress.reservedDomain)\t\(copyMailer(server)):\(bracketed(server.delivery.host))"
        }
        let nowhere = "error:5.1.2:550 No such mailbox server"
        return [
            Section(
                reason:
                    "Missing copies go straight to their server: one queue entry for each, as mailq shows. Names below covey.invalid that are no server's go nowhere.",
                lines: copies + [
                    ".\(MailboxAddress.reservedDomain)\t\(nowhere)", "\(MailboxAddress.reservedDomain)\t\(nowhere)",
                ]),
            Section(
                reason:
                    "Everything else for the cluster goes through the back door. The domains must be in no other place that makes Sendmail deliver them itself: local-host-names, class w.",
                lines: configuration.cluster.domains.map { "\($0)\tcoveyback:[127.0.0.1]" }),
        ]
    }

    /// The mailer for a server's missing copies. mailertable cannot name a port: there is a mailer for each.
    static func copyMailer(_ server: ClusterConfiguration.MailboxServer) -> String {
        let port = server.delivery.port
        switch server.deliveryProtocol {
        case .lmtp: return port == 24 ? "coveylmtp" : "coveylmtp\(port)"
        case .smtp: return port == 25 ? "coveysmtp" : "coveysmtp\(port)"
        }
    }

    /// Brackets: no MX lookup.
    private static func bracketed(_ host: String) -> String {
        host.contains(":") ? "[IPv6:\(host)]" : "[\(host)]"
    }
}
