import Foundation

/// The mail exchanger of all remote domains: Postfix's smtp-sink on the host client, which keeps what it is given. The
/// hubs' relayhost points to it.
public final class RemoteSite {
    private let lab: Lab
    private let folder = "/var/sink"

    private static let smtpSink = "setsid smtp-sink -u root -R /var/sink -d 'message.' 0.0.0.0:2525 100"
    /// Where Postfix is not installed.
    private static let python = """
        setsid python3 -W ignore -c '
        import asyncore, smtpd, uuid
        class Sink(smtpd.SMTPServer):
            def process_message(self, peer, sender, recipients, data, **rest):
                top = b"X-Rcpt-Args: " + " ".join(f"<{r}>" for r in recipients).encode() + b"\\n"
                name = f"/var/sink/message.{uuid.uuid4()}"
                open(name, "wb").write(top + data.replace(b"\\r\\n", b"\\n") + b"\\n")
        Sink(("0.0.0.0", 2525), None)
        asyncore.loop()'
        """

    /// Starts it unless it runs.
    public init(_ lab: Lab) throws {
        self.lab = lab
        if isUp { return }
        try lab.shell(
            "client",
            """
            install -d -m 777 \(folder)
            \(lab.mta == .postfix ? RemoteSite.smtpSink : RemoteSite.python) </dev/null >/var/log/sink.log 2>&1 &
            """)
        try lab.wait(for: "the remote site") { isUp }
    }

    private var isUp: Bool {
        (try? LabConnection(lab.address(of: "client"), port: 2525, seconds: 5).readLine())?.hasPrefix("220") == true
    }

    /// What arrived: envelope in fields of smtp-sink's own on top (`X-Rcpt-Args: <x@remote.test> …`), a Received field of
    /// its own, then the message as it came.
    ///
    /// - Parameter subject: only messages of that subject.
    public func messages(_ subject: String) throws -> [StoredMessage] {
        try messages().filter { $0.subject == subject }
    }

    /// All that arrived.
    public func messages() throws -> [StoredMessage] {
        let path = lab.disk(of: "client", folder)
        return try FileManager.default.contentsOfDirectory(atPath: path).compactMap { name in
            guard var octets = FileManager.default.contents(atPath: "\(path)/\(name)").map({ Array($0) }) else {
                return nil
            }
            // smtp-sink puts an empty line between messages, as mbox has it.
            if octets.suffix(2) == [0x0A, 0x0A] { octets.removeLast() }
            return StoredMessage(octets)
        }
    }
}
