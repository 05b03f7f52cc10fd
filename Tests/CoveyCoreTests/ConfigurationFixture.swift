import CoveyCore

/// A file system in memory, laid out as /etc/covey on a host where Postfix is installed.
struct FakeFiles: FileAccess {
    var contents: [String: FileContents]
    var locked: Set<String> = ["/root/locked.key"]
    var workingDirectory = "/home/admin"

    /// Base64 of 32 times the octet 0x41, computed with coreutils' base64(1).
    static let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="

    init(_ configuration: String = "", path: String = "/etc/covey/cluster.toml") {
        contents = [:]
        add(path, configuration, mode: 0o644)
        add("/etc/covey/cluster.key", "# made by covey keygen\n\(FakeFiles.key)\n", mode: 0o640)
        add("/etc/covey/open.key", FakeFiles.key + "\n", mode: 0o644)
        add("/etc/covey/short.key", "41414141414141414141414141414141\n", mode: 0o600)
        add("/etc/covey/rubbish.key", "correct horse battery staple\n", mode: 0o600)
        add("/etc/covey/empty.key", "# nothing yet\n\n", mode: 0o600)
        add("/etc/covey/journal.password", "s3cret\n", mode: 0o640)
        add("/etc/covey/open.password", "s3cret\n", mode: 0o604)
        add("/etc/covey/empty.password", "\n", mode: 0o600)
        add("/var/spool/postfix", "", mode: 0o755)
    }

    mutating func add(_ path: String, _ text: String, mode: UInt32) {
        contents[path] = FileContents(octets: Array(text.utf8), mode: mode, owner: 0)
    }

    func read(_ path: String, limit: Int) throws(FileAccessError) -> FileContents {
        if locked.contains(path) { throw FileAccessError(reason: .other, text: "Permission denied") }
        guard let file = contents[path] else {
            throw FileAccessError(reason: .missing, text: "No such file or directory")
        }
        return file
    }

    func exists(_ path: String) -> Bool { contents[path] != nil || locked.contains(path) }
}

enum SampleConfiguration {
    /// The least that a file must say.
    static let small = """
        [cluster]
        domains = ["example.com"]

        [[hub]]
        name = "mh1"
        addresses = ["192.0.2.11"]

        [[mailbox]]
        name = "a"
        addresses = ["192.0.2.21"]

        [[mailbox]]
        name = "b"
        addresses = ["2001:db8::22"]

        """

    static func load(
        _ text: String, needs: Set<ConfigurationLoader.Need> = [.journalPassword]
    ) throws(ConfigurationErrors) -> ClusterConfiguration {
        try ConfigurationLoader.load(path: "/etc/covey/cluster.toml", needs: needs, files: FakeFiles(text))
    }

    /// The messages for a broken file; empty when it loads.
    static func problems(_ text: String) -> [String] {
        do {
            _ = try load(text)
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }
}
