import Foundation

/// Sessions between proxies and mailbox servers that stand still at a chosen moment of QUIT: a relay of ours listens where
/// proxies expect Dovecot's POP3, and real Dovecots are behind it (scripts/lib/lab-pop3-relay.py).
public final class LabPOP3Faults: Sendable {
    /// Where sessions that delete something stand still.
    public enum Moment: String, Sendable {
        case none
        /// Nobody listens.
        case down
        /// After the first DELE.
        case firstDELE = "dele"
        /// Before QUIT, which Dovecot does not see.
        case beforeQUIT = "noquit"
        /// After QUIT, which Dovecot carries out, and before its reply.
        case afterQUIT = "quit"
    }

    private let lab: Lab
    private static let folder = "/var/lib/pop3-faults"
    private static let program = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("scripts/lib/lab-pop3-relay.py")

    /// Puts the relay before every mailbox server.
    public init(_ lab: Lab) throws {
        self.lab = lab
        for server in lab.mailboxes {
            try lab.stop(.dovecot, on: server)
            try lab.exec(
                server, "tee", "/usr/local/lib/pop3-faults.py",
                input: Array(try Data(contentsOf: LabPOP3Faults.program)))
            // The relay's own address is trusted as the proxies' are: XCLIENT passes as everything does.
            try lab.shell(
                server,
                """
                sed -i 's|^login_trusted_networks = .*|& 127.0.0.0/8|' /etc/dovecot/local.conf
                printf 'service pop3-login {\\n  inet_listener pop3 {\\n    port = 1110\\n  }\\n}\\n' \
                    >>/etc/dovecot/local.conf
                mkdir \(LabPOP3Faults.folder)
                echo none >\(LabPOP3Faults.folder)/fault
                setsid python3 /usr/local/lib/pop3-faults.py 110 1110 \(LabPOP3Faults.folder) \
                    </dev/null >/var/log/pop3-faults.log 2>&1 &
                """)
            // Waits for a greeting through the relay.
            try lab.start(.dovecot, on: server)
        }
    }

    public func set(_ moment: Moment, on server: String) throws {
        try lab.shell(
            server, "cd \(LabPOP3Faults.folder) && echo \(moment.rawValue) >fault.new && mv fault.new fault")
        try lab.wait(for: "the fault \(moment) on \(server)") { read("state", server) == moment.rawValue }
    }

    /// How many sessions have stood still at a server so far.
    public func held(on server: String) -> Int { Int(read("held", server)) ?? 0 }

    private func read(_ name: String, _ server: String) -> String {
        let octets = FileManager.default.contents(atPath: lab.disk(of: server, "\(LabPOP3Faults.folder)/\(name)"))
        return String(decoding: octets ?? Data(), as: UTF8.self).trimmingCharacters(in: .newlines)
    }
}
