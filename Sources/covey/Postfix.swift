import ArgumentParser
import CoveyCore
import Glibc

struct Postfix: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what a hub's Postfix must be told; postfix/setup applies it.",
        discussion: """
            One instruction a line, with the reason above it. Postfix is neither asked nor changed.

            With --leave-to-mta, the tables named are added to milter.leave_to_mta in the configuration instead, and \
            all else in that file stays as it is.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: "The hub's name in the configuration (default: this machine's host name up to the first dot).")
    var host: String?

    @Option(
        name: .customLong("leave-to-mta"),
        help: ArgumentHelp("A lookup table whose addresses are left to Postfix; may be repeated.", valueName: "table"))
    var tables: [String] = []

    @Flag(help: "With --leave-to-mta: only say what would change.")
    var print = false

    func run() throws {
        let cluster = try options.load()
        guard tables.isEmpty else { return try leaveToMTA(cluster) }
        let hub = try cluster.ownHub(given: host, file: options.config)
        Swift.print(PostfixSettings(cluster, hub: hub.name).text, terminator: "")
    }

    private func leaveToMTA(_ cluster: ClusterConfiguration) throws {
        let listed = cluster.milter.leaveToMTA
        var missing: [String] = []
        for table in tables where !listed.contains(table) && !missing.contains(table) { missing.append(table) }
        guard !missing.isEmpty else { return }
        let added = missing.joined(separator: ", ")
        guard !self.print else { return Swift.print("would add to milter.leave_to_mta in \(options.config): \(added)") }
        let contents = try SystemFiles().read(options.config, limit: 1 << 20)
        let text = String(decoding: contents.octets, as: UTF8.self)
        guard let changed = ConfigurationEditor.settingLeaveToMTA(listed + missing, in: text) else {
            throw CleanExitError(description: "\(options.config): add to milter.leave_to_mta by hand: \(added)")
        }
        try replace(options.config, with: changed, like: contents)
        Swift.print("added to milter.leave_to_mta in \(options.config): \(added)")
    }

    /// Puts a new text in a file's place in one step, with the file's mode and owner.
    private func replace(_ path: String, with text: String, like old: FileContents) throws {
        // A symbolic link stays one.
        let target =
            realpath(path, nil).map { pointer in
                defer { free(pointer) }
                return String(cString: pointer)
            } ?? path
        let new = "\(target).covey-new"
        unlink(new)
        let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(new) }
        var status = stat()
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw failure(new) }
            rest = rest.dropFirst(count)
        }
        guard stat(target, &status) == 0, fchown(descriptor, status.st_uid, status.st_gid) == 0,
            fchmod(descriptor, old.mode) == 0, fsync(descriptor) == 0, close(descriptor) == 0,
            rename(new, target) == 0
        else { throw failure(target) }
    }

    private func failure(_ path: String) -> CleanExitError {
        CleanExitError(description: "\(path): \(String(cString: strerror(errno)))")
    }
}
