import Foundation

/// What a program said and how it ended.
public struct CommandOutput: Sendable, CustomStringConvertible {
    /// Exit status; 124 when it took too long (timeout(1)).
    public var status: Int32
    /// Standard output and standard error together.
    public var octets: [UInt8]

    public var text: String { String(decoding: octets, as: UTF8.self) }
    /// The output without the newline at its end.
    public var line: String { text.trimmingCharacters(in: .newlines) }
    public var description: String { "status \(status)\n\(text)" }

    /// Runs a program to its end. Daemons that it leaves behind do not matter: Foundation's Process would wait for them,
    /// since they keep what it hands down open, and so would the reader of a pipe.
    ///
    /// - Parameters:
    ///   - words: the program, looked up in PATH, and its arguments.
    ///   - environment: variables besides the process' own.
    public init(of words: [String], environment: [String: String], input: [UInt8]) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("command-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (inputPath, outputPath) = (folder.path + "/input", folder.path + "/output")
        try Data(input).write(to: URL(filePath: inputPath))

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, inputPath, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, outputPath, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        // A thread of ours has signals blocked, and daemons would inherit that: SIGTERM must end them.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
        var arguments = words.map { strdup($0) } + [nil]
        var environment = variables.map { strdup($0) } + [nil]
        defer { for pointer in arguments + environment { free(pointer) } }
        var pid = pid_t()
        let code = posix_spawnp(&pid, words.first ?? "", &actions, &attributes, &arguments, &environment)
        guard code == 0 else { throw LabFailure("\(words): \(String(cString: strerror(code)))") }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        // As a shell says it: 128 and more for a signal.
        self.status = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
        octets = Array(FileManager.default.contents(atPath: outputPath) ?? Data())
    }

    /// - Throws: `LabFailure` with the output unless the exit status is 0.
    public func successful(_ what: String) throws -> CommandOutput {
        guard status == 0 else { throw LabFailure("\(what): \(self)") }
        return self
    }
}
