import Foundation

/// Mailbox servers that fail at a chosen moment of an LMTP transaction: a relay of ours listens where hubs expect
/// Dovecot's LMTP, and real Dovecots are behind it (scripts/lib/lab-fault-relay.py).
public final class LabFaults {
    /// Where connections to a mailbox server end; "none" is no fault.
    public enum Moment: String, Sendable, CaseIterable {
        case none
        /// Nobody listens.
        case connect
        /// At the first RCPT, which Dovecot does not see.
        case rcpt
        /// After the first half of a message.
        case data
        /// After the whole message, which Dovecot stores, and before its replies.
        case dot
    }

    private let lab: Lab
    private static let folder = "/var/lib/lmtp-faults"
    private static let program = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("scripts/lib/lab-fault-relay.py")

    /// Puts the relay before every mailbox server, unless it is there.
    public init(_ lab: Lab) throws {
        self.lab = lab
        for server in lab.mailboxes where try lab.attempt(server, ["test", "-e", LabFaults.folder]).status != 0 {
            try lab.stop(.dovecot, on: server)
            try lab.exec(
                server, "tee", "/usr/local/lib/lmtp-faults.py", input: Array(try Data(contentsOf: LabFaults.program)))
            // The relay's own address is trusted as the hubs' are: XCLIENT passes as everything does.
            try lab.shell(
                server,
                """
                sed -i 's|^login_trusted_networks = .*|& 127.0.0.0/8|' /etc/dovecot/local.conf
                printf 'service lmtp {\\n  inet_listener lmtp {\\n    port = 2425\\n  }\\n}\\n' >>/etc/dovecot/local.conf
                mkdir \(LabFaults.folder)
                echo none >\(LabFaults.folder)/fault
                setsid python3 /usr/local/lib/lmtp-faults.py 24 2425 \(LabFaults.folder) \
                    </dev/null >/var/log/lmtp-faults.log 2>&1 &
                """)
            // Waits for a greeting through the relay.
            try lab.start(.dovecot, on: server)
        }
    }

    /// From now on connections to these servers end at that moment; those to the others do not.
    public func set(_ moment: Moment, on servers: [String]) throws {
        let moments = lab.mailboxes.map { servers.contains($0) ? moment : .none }
        for (server, moment) in zip(lab.mailboxes, moments) {
            try lab.shell(
                server,
                "cd \(LabFaults.folder) && echo \(moment.rawValue) >fault.new && mv fault.new fault")
        }
        for (server, moment) in zip(lab.mailboxes, moments) {
            try lab.wait(for: "the fault \(moment) on \(server)") { read("state", server) == moment.rawValue }
        }
    }

    /// How many connections have met their end at a server so far.
    public func cuts(on server: String) -> Int { Int(read("cuts", server)) ?? 0 }

    private func read(_ name: String, _ server: String) -> String {
        let octets = FileManager.default.contents(atPath: lab.disk(of: server, "\(LabFaults.folder)/\(name)"))
        return String(decoding: octets ?? Data(), as: UTF8.self).trimmingCharacters(in: .newlines)
    }
}
