import Foundation

/// Somebody who installs Covey on the hosts of a bare lab, from the machine that runs the tests: the cluster's files, ssh,
/// and packages.
public struct LabAdministrator: Sendable {
    public let lab: Lab
    /// With cluster.toml, its key and password, and ssh_config.
    public let folder: String
    /// Of packages; a folder in it for each version.
    private let packages: String

    public init(_ lab: Lab) {
        self.lab = lab
        let state = ProcessInfo.processInfo.environment["COVEY_LAB_STATE"] ?? "/var/lib/covey-lab"
        folder = "\(state)/\(lab.name)/admin"
        packages = "\(state)/\(lab.name)/packages"
    }

    public var clusterFile: String { "\(folder)/cluster.toml" }
    private var programs: String {
        ProcessInfo.processInfo.environment["COVEY_BIN"] ?? Lab.repository.appendingPathComponent(".build/release").path
    }

    /// `scripts/package`, of the programs that the other tests use.
    ///
    /// - Returns: the folder with the packages.
    public func makePackages(version: String) throws -> String {
        let folder = "\(packages)/\(version)"
        _ = try run("package", "--version", version, "--output", folder).successful("scripts/package")
        return folder
    }

    /// The same packages again under another version, without the time that building takes.
    ///
    /// - Parameters:
    ///   - folder: made by `makePackages`.
    ///   - change: a line of shell, run in the unpacked package of each name that it is given for.
    public func repack(_ folder: String, from old: String, to new: String, change: [String: String] = [:]) throws
        -> String
    {
        let target = "\(packages)/\(new)"
        var script = "mkdir -p '\(target)'\n"
        for package in ["covey", "covey-milter", "covey-pop3d"] {
            script += """
                work=$(mktemp -d)
                dpkg-deb --raw-extract '\(folder)/\(package)_\(old)_'*.deb "$work/tree"
                cd "$work/tree"
                sed -i 's/\(old)/\(new)/' DEBIAN/control
                \(change[package] ?? ":")
                cd /
                dpkg-deb --root-owner-group -Znone --build "$work/tree" \
                    '\(target)/\(package)_\(new)_'"$(dpkg --print-architecture).deb" >/dev/null
                rm -rf "$work"

                """
        }
        _ = try CommandOutput(of: ["bash", "-euc", script], environment: [:], input: []).successful("repack \(new)")
        return target
    }

    /// `scripts/deploy`; its exit status is part of the result.
    ///
    /// - Parameter config: default: the cluster's file.
    public func deploy(_ packages: String, config: String? = nil, _ words: String...) throws -> CommandOutput {
        try run("deploy", ["--config", config ?? clusterFile, "--packages", packages] + words)
    }

    private func run(_ script: String, _ words: String...) throws -> CommandOutput { try run(script, words) }
    private func run(_ script: String, _ words: [String]) throws -> CommandOutput {
        try CommandOutput(
            of: ["timeout", "--kill-after=5", "280", Lab.repository.appendingPathComponent("scripts/\(script)").path]
                + words,
            environment: [
                "COVEY_SSH": "ssh -F \(folder)/ssh_config", "COVEY_BIN": programs, "COVEY": "\(programs)/covey",
            ], input: [])
    }

    /// The commands that deploy leaves to the administrator on a host: the lines that stand further in than its own.
    public static func leftCommands(of host: String, in output: String) -> [String] {
        var isHost = false
        var commands: [String] = []
        for line in output.split(separator: "\n") {
            if !line.hasPrefix(" ") { isHost = line.hasPrefix("\(host) (") }
            if isHost, line.hasPrefix("      ") { commands.append(line.trimmingCharacters(in: .whitespaces)) }
        }
        return commands
    }
}
