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

        let process = try ChildProcess(
            words, environment: ProcessInfo.processInfo.environment.merging(environment) { $1 }, input: inputPath,
            log: outputPath)
        status = process.wait()
        octets = Array(FileManager.default.contents(atPath: outputPath) ?? Data())
    }

    /// - Throws: `LabFailure` with the output unless the exit status is 0.
    public func successful(_ what: String) throws -> CommandOutput {
        guard status == 0 else { throw LabFailure("\(what): \(self)") }
        return self
    }
}
