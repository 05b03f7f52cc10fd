import Foundation
import Synchronization
import TestSupport
import Testing

/// Everything that needs real Postfix and Dovecot. One lab serves all of it, one test after the other; each test has
/// users of its own and leaves all hosts running as it found them.
///
/// Hosts: hubs mh1 and mh2, mailbox servers a, b and c with a proxy each, client. The machine that runs the tests is in
/// the hubs' mynetworks, the host client is a stranger to them.
@Suite(.serialized, .lab(mailboxes: 3), .logsOnFailure, .timeLimit(longestTest))
enum RealServers {}

/// Of several limits the shortest counts. Longer than what tests themselves wait for: what they say then tells more. A long
/// run of scripts/chaos needs another one.
private let longestTest: TimeLimitTrait.Duration =
    ProcessInfo.processInfo.environment["COVEY_CHAOS_SECONDS"].flatMap(Int.init).map { .minutes(10 + $0 / 60) }
    ?? .minutes(10)

/// A lab that is up while a suite runs.
struct LabTrait: SuiteTrait, TestScoping {
    var mailboxes: Int
    var suffix: String
    var mta = Lab.MTA.postfix
    /// Mailbox servers that get their mail by SMTP.
    var smtp: [String] = []
    /// Hosts without anything of Covey.
    var bare = false
    /// Further lines of the table `[milter]`.
    var milter: [String] = []
    /// Users u1, u2, … at either domain.
    var users = 60
    var hubs = 2
    /// With a name server, which the client asks.
    var dns = false

    @TaskLocal fileprivate static var current: Lab?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let lab = try Lab.up(
            name: Lab.instanceName(suffix: suffix), mta: mta, hubs: hubs, mailboxes: mailboxes, smtp: smtp,
            users: users, bare: bare, dns: dns,
            append: LabTrait.configuration + milter.map { $0 + "\n" }.joined()
                + (mta == .sendmail ? LabTrait.sendmailKeys : ""))
        defer { lab.down() }
        for hub in lab.hubs where mta == .postfix {
            // What a remote domain's mail exchanger is to the hubs: smtp-sink on client (RemoteSite).
            try lab.exec(
                hub, "postconf", "-e", "mynetworks = 127.0.0.0/8 \(lab.machineAddress)",
                "relayhost = [\(lab.address(of: "client"))]:2525")
            try lab.exec(hub, "postfix", "reload")
        }
        try await LabTrait.$current.withValue(lab) { try await function() }
    }

    /// A server that stalls shall not cost each test half a minute; and every host may ask how the others are.
    private static let configuration = """

        [monitor]
        listen = "[::]:9110"

        [milter]
        delivery_timeout = "5s"

        """
    /// What covey sendmail --part cluster asks for, within the same table.
    private static let sendmailKeys = """
        reject_unknown = true
        flush_command = ["/usr/sbin/etrn", "127.0.0.1", "{domain}.{server}.covey.invalid"]

        """
}

extension Trait where Self == LabTrait {
    static func lab(
        mailboxes: Int, suffix: String = "", mta: Lab.MTA = .postfix, smtp: [String] = [], bare: Bool = false,
        milter: [String] = [], users: Int = 60, hubs: Int = 2, dns: Bool = false
    ) -> Self {
        LabTrait(
            mailboxes: mailboxes, suffix: suffix, mta: mta, smtp: smtp, bare: bare, milter: milter, users: users,
            hubs: hubs, dns: dns)
    }
}

extension Lab {
    /// The lab of the suite at hand.
    static var current: Lab {
        get throws {
            guard let lab = LabTrait.current else { throw LabFailure("not inside a suite with a lab") }
            return lab
        }
    }
}

extension Trait where Self == IssueHandlingTrait {
    /// Shows the ends of all hosts' logs at a test's first failures: afterwards the lab is gone.
    static var logsOnFailure: Self {
        .compactMapIssues { issue in
            if let lab = LabTrait.current,
                shownLogs.withLock({
                    $0 += 1; return $0 <= 3
                })
            {
                FileHandle.standardError.write(Data("\n=== logs of lab \(lab.name)\n\(lab.logs())\n".utf8))
            }
            return issue
        }
    }
}

private let shownLogs = Mutex(0)
