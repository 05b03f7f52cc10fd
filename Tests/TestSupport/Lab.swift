import Foundation

/// What went wrong with the lab or with what a test waited for; the text holds all that was seen.
public struct LabFailure: Error, CustomStringConvertible {
    public var description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// Real hosts for a test: a Swift face of `scripts/lab`, whose head comment tells what the hosts are.
///
/// All functions block until done, at most a minute or two.
public final class Lab: Sendable {
    /// Name of the instance: `COVEY_LAB`.
    public let name: String
    public let hubs: [String]
    public let mailboxes: [String]
    /// Every host's address, by name.
    private let addresses: [String: String]

    /// What the hubs run.
    public let mta: MTA
    public enum MTA: String, Sendable { case postfix, sendmail }

    /// Services that `start` and `stop` know.
    public enum Service: String, Sendable {
        case postfix, sendmail, dovecot, milter, pop3d
    }

    private init(name: String, mta: MTA, hubs: [String], mailboxes: [String], addresses: [String: String]) {
        self.name = name
        self.mta = mta
        self.hubs = hubs
        self.mailboxes = mailboxes
        self.addresses = addresses
    }

    /// Name of the instance for tests: `COVEY_LAB` as scripts/test sets it, else `test`.
    ///
    /// - Parameter suffix: of a further instance, which is up beside the first; scripts/test takes all of them down.
    public static func instanceName(suffix: String = "") -> String {
        (ProcessInfo.processInfo.environment["COVEY_LAB"] ?? "test") + suffix
    }

    /// Starts all hosts with all services.
    ///
    /// - Parameters:
    ///   - name: of the instance; one that a crash left is taken down first.
    ///   - mta: what the hubs run.
    ///   - smtp: mailbox servers that get their mail by SMTP.
    ///   - bare: hosts that have never heard of Covey, with sshd, for scripts/deploy.
    ///   - dns: with a name server, the host `ns`, which `client` asks.
    ///   - append: further lines for cluster.toml.
    /// - Throws: `LabFailure` with the hosts' logs.
    public static func up(
        name: String, mta: MTA = .postfix, hubs: Int = 2, mailboxes: Int, smtp: [String] = [], users: Int = 60,
        bare: Bool = false, dns: Bool = false, append: String = ""
    ) throws
        -> Lab
    {
        _ = try run(name, ["down"], seconds: 120)
        var words = [
            "up", "--mta", mta.rawValue, "--hubs", "\(hubs)", "--mailboxes", "\(mailboxes)", "--users", "\(users)",
        ]
        if bare { words.append("--bare") }
        if dns { words.append("--dns") }
        if !smtp.isEmpty { words += ["--smtp", smtp.joined(separator: ",")] }
        let lines = FileManager.default.temporaryDirectory.appendingPathComponent("\(name)-\(UUID().uuidString).toml")
        defer { try? FileManager.default.removeItem(at: lines) }
        if !append.isEmpty {
            try Data(append.utf8).write(to: lines)
            words += ["--append", lines.path]
        }
        let output = try run(name, words, seconds: 300)
        guard output.status == 0 else {
            _ = try? run(name, ["down"], seconds: 120)
            throw LabFailure("scripts/lab \(words.joined(separator: " ")): \(output)")
        }
        let hubNames = (1...hubs).map { "mh\($0)" }
        let mailboxNames = (0..<mailboxes).map { String(UnicodeScalar(UInt8(ascii: "a") + UInt8($0))) }
        var addresses: [String: String] = [:]
        for host in hubNames + mailboxNames + ["client"] + (dns ? ["ns"] : []) {
            addresses[host] = try run(name, ["ip", host], seconds: 20).successful("ip \(host)").line
        }
        return Lab(name: name, mta: mta, hubs: hubNames, mailboxes: mailboxNames, addresses: addresses)
    }

    /// Powers all hosts off and removes them.
    public func down() {
        _ = try? Lab.run(name, ["down"], seconds: 120)
    }

    // MARK: hosts

    /// - Parameter host: `mh1`, …, `a`, …, `client`.
    public func address(of host: String) -> String {
        guard let address = addresses[host] else { preconditionFailure("no host \(host) in lab \(name)") }
        return address
    }

    /// The machine's own address in the lab's network, from which tests connect.
    public var machineAddress: String {
        let parts = address(of: "client").split(separator: ".")
        return (parts.dropLast() + ["1"]).joined(separator: ".")
    }

    /// A file of a host, as a path of this machine; also while the host is off. Only what the host itself has written.
    public func disk(of host: String, _ path: String) -> String {
        let state = ProcessInfo.processInfo.environment["COVEY_LAB_STATE"] ?? "/var/lib/covey-lab"
        return "\(state)/\(name)/hosts/\(host)/upper\(path)"
    }

    /// Runs a command on a host; its exit status is part of the result.
    public func attempt(_ host: String, _ words: [String], input: [UInt8] = [], seconds: Int = 60) throws
        -> CommandOutput
    {
        try Lab.run(name, ["exec", host] + words, input: input, seconds: seconds)
    }

    /// Runs a command on a host that has to succeed.
    @discardableResult
    public func exec(_ host: String, _ words: String..., input: [UInt8] = [], seconds: Int = 60) throws
        -> CommandOutput
    {
        try attempt(host, words, input: input, seconds: seconds).successful("\(host)$ \(words.joined(separator: " "))")
    }

    /// Runs a line of shell on a host that has to succeed.
    @discardableResult
    public func shell(_ host: String, _ line: String, seconds: Int = 60) throws -> CommandOutput {
        try exec(host, "bash", "-euo", "pipefail", "-c", line, seconds: seconds)
    }

    public func powerOff(_ host: String) throws { try lab("poweroff", host) }
    public func boot(_ host: String) throws { try lab("boot", host) }
    public func unplug(_ host: String) throws { try lab("unplug", host) }
    public func plug(_ host: String) throws { try lab("plug", host) }

    /// Starts a service and waits until it greets.
    public func start(_ service: Service, on host: String) throws { try lab("start", host, service.rawValue) }

    /// - Parameter signal: as `kill -s` takes it. `KILL` goes to all processes of the service at once.
    public func stop(_ service: Service, on host: String, signal: String = "TERM") throws {
        try lab("stop", host, service.rawValue, signal)
    }

    /// Stops every process of Dovecot where it stands; what it has open stays open. `stop` with `KILL` ends them.
    public func freezeDovecot(on host: String) throws {
        try shell(host, "pkill -STOP -f '^dovecot/' && pkill -STOP -x dovecot")
    }

    /// The end of a host's logs, or of all hosts'.
    public func logs(_ host: String? = nil) -> String {
        (try? Lab.run(name, ["log"] + (host.map { [$0] } ?? []), seconds: 30).text) ?? "(no logs)"
    }

    private func lab(_ words: String...) throws {
        _ = try Lab.run(name, words, seconds: 120).successful("scripts/lab \(words.joined(separator: " "))")
    }

    // MARK: scripts/lab

    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// A program of scripts/lib, for a host's interpreter to read.
    public static func program(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: repository.appendingPathComponent("scripts/lib/\(name)")))
    }

    private static func run(_ name: String, _ words: [String], input: [UInt8] = [], seconds: Int) throws
        -> CommandOutput
    {
        let script = repository.appendingPathComponent("scripts/lab").path
        return try CommandOutput(
            of: ["timeout", "--kill-after=5", "\(seconds)", script] + words, environment: ["COVEY_LAB": name],
            input: input)
    }
}
