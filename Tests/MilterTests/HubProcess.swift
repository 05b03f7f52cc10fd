import Foundation
import Glibc
import TestSupport

/// covey-milter as a process with a cluster of scripted mailbox servers, in a private directory.
///
/// postconf, postmap and the flush command are scripts there, since the machine has no MTA.
final class HubProcess {
    struct Failure: Error, CustomStringConvertible { var description: String }

    private let folder: PrivateDirectory
    private let monitor: String
    private var process: ChildProcess?

    /// - Parameters:
    ///   - servers: the mailbox servers a, b, c.
    ///   - milter: further lines of the table `[milter]`.
    ///   - discards: whether postconf says that nothing forbids DISCARD.
    ///   - queue: the lines that postqueue prints.
    ///   - aliases: addresses in the lookup table of `leave_to_mta`; nil for no table.
    ///   - monitor: `monitor.listen`; by default an address that nobody else has.
    init(
        servers: [ScriptedLMTPServer], milter: [String] = [], discards: Bool = true, queue: [String] = [],
        aliases: [String]? = nil, monitor: String = "\(LoopbackAddress.next()):9110",
        environment: [String: String] = [:]
    ) throws {
        self.monitor = monitor
        folder = try PrivateDirectory()
        try write("cluster.key", Data(repeating: 0x41, count: 32).base64EncodedString() + "\n", mode: 0o600)
        try write("journal.password", "s3cret\n", mode: 0o600)
        try write("postqueue", "#!/bin/sh\ncat \(directory)/queue\n", mode: 0o755)
        try write("queue", queue.map { $0 + "\n" }.joined(), mode: 0o644)
        try write("postconf", "#!/bin/sh\necho 'always_bcc = \(discards ? "" : "archive@example.com")'\n", mode: 0o755)
        try write("postmap", "#!/bin/sh\ncat >$0.keys.$$; grep -qxF -f $0.keys.$$ \"$3\"\n", mode: 0o755)
        try write("flush", "#!/bin/sh\necho \"$1\" >>\(directory)/flushed\n", mode: 0o755)
        var lines = milter
        if let aliases {
            try write("aliases", aliases.map { $0 + "\n" }.joined(), mode: 0o644)
            // The type is the script's to ignore: it gets the path with it, and cuts it off.
            try write("postmap", "#!/bin/sh\ncat >$0.keys.$$; grep -qxF -f $0.keys.$$ \"${3#hash:}\"\n", mode: 0o755)
            lines.append("leave_to_mta = [\"hash:\(directory)/aliases\"]")
        }
        try write("cluster.toml", HubProcess.configuration(directory, servers, lines, monitor), mode: 0o644)
        try start(environment, discards: discards)
    }

    // Before its directory goes.
    deinit { process = nil }

    var directory: String { folder.path }
    var log: String { folder.text(of: "log") }
    var flushed: String { folder.text(of: "flushed") }
    var isRunning: Bool { process?.isRunning ?? false }

    /// A new connection that has said HELO.
    func connection(daemon: String = "smtpd") throws -> MilterClient {
        let client = try MilterClient(socket: directory + "/m")
        _ = try client.connect(daemon: daemon)
        _ = try client.helo()
        return client
    }

    /// Writes another configuration, without telling the daemon.
    func reconfigure(servers: [ScriptedLMTPServer], milter: [String] = []) throws {
        try write("cluster.toml", HubProcess.configuration(directory, servers, milter, monitor), mode: 0o644)
    }

    /// Has the daemon read its configuration, and waits until it says what came of it.
    func reload(_ answer: String = "configuration reloaded") throws {
        let before = log.ranges(of: answer).count
        process?.send(SIGUSR1)
        try waitForLog(answer, times: before + 1)
    }

    func terminate() { process?.send(SIGTERM) }

    /// Waits for the end; the exit status.
    func waitForEnd() -> Int32 { process?.wait() ?? -1 }

    /// Waits until the log says so, so many times.
    func waitForLog(_ text: String, times: Int = 1) throws {
        for _ in 0..<1000 {
            if log.ranges(of: text).count >= times { return }
            guard isRunning else { break }
            usleep(10_000)
        }
        throw Failure(description: "covey-milter did not say \"\(text)\":\n\(log)")
    }

    private func start(_ environment: [String: String], discards: Bool) throws {
        try write("log", "", mode: 0o600)
        var variables = ProcessInfo.processInfo.environment
        variables["PATH"] = directory + ":" + (variables["PATH"] ?? "/usr/bin:/bin")
        variables["TMPDIR"] = directory
        process = try ChildProcess(
            [
                HubProcess.binary(), "--config", directory + "/cluster.toml", "--host", "mh1.example.com", "--verbose",
            ],
            environment: variables.merging(environment) { $1 }, log: directory + "/log")
        try waitForLog("ready")
        // A hub that may not discard has nothing to say about it.
        if discards { try waitForLog("messages stored everywhere are discarded") }
    }

    /// The built program: $COVEY_BIN/covey-milter, or the one beside the program that runs these tests.
    private static func binary() throws -> String {
        let own = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let directory = ProcessInfo.processInfo.environment["COVEY_BIN"].map { URL(filePath: $0) } ?? own
        let file = directory.appending(path: "covey-milter")
        guard FileManager.default.isExecutableFile(atPath: file.path) else {
            throw Failure(description: "no \(file.path): run swift build, or set COVEY_BIN to the directory it is in")
        }
        return file.path
    }

    func write(_ name: String, _ text: String, mode: Int) throws {
        try folder.write(name, text, mode: mode)
    }

    private static func configuration(
        _ directory: String, _ servers: [ScriptedLMTPServer], _ milter: [String], _ monitor: String
    ) -> String {
        let servers = zip(["a", "b", "c"], servers).enumerated().map { place, server in
            """
            [[mailbox]]
            name = "\(server.0)"
            addresses = ["\(server.1.host)"]
            lmtp = "\(server.1.host):\(server.1.port)"
            pop3 = "\(server.1.host):\(11_000 + place)"

            """
        }
        return """
            [cluster]
            domains = ["example.com", "example.net"]

            [[hub]]
            name = "mh1"
            addresses = ["127.0.0.1"]

            \(servers.joined(separator: "\n"))
            [[proxy]]
            name = "a"
            addresses = ["127.0.0.1"]

            [monitor]
            listen = "\(monitor)"

            [milter]
            socket = "unix:\(directory)/m"
            user = "root"
            flush_command = ["\(directory)/flush", "{domain}.{server}.covey.invalid"]
            \(milter.joined(separator: "\n"))
            """
    }
}
