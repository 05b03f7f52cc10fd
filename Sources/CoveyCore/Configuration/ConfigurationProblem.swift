/// One thing that is wrong in a configuration file, told to the administrator in one line.
public struct ConfigurationProblem: Sendable, Equatable, CustomStringConvertible {
    /// The configuration file, as it was named to the program.
    public var file: String
    /// 1 and up; nil when the trouble has no line (the file cannot be read, a whole table is missing).
    public var line: Int?
    /// 1 and up; only for text that is not TOML.
    public var column: Int?
    /// `milter.min_copies`, `mailbox[b].lmtp`; nil when the whole file is meant.
    public var keyPath: String?
    /// What is wrong.
    public var message: String
    /// What to do about it.
    public var remedy: String?

    public init(
        file: String, line: Int? = nil, column: Int? = nil, keyPath: String? = nil, message: String,
        remedy: String? = nil
    ) {
        self.file = file
        self.line = line
        self.column = column
        self.keyPath = keyPath
        self.message = message
        self.remedy = remedy
    }

    public var description: String {
        var text = file
        if let line { text += ":\(line)" }
        if let column { text += ":\(column)" }
        text += ": "
        if let keyPath { text += "\(keyPath): " }
        text += message
        if let remedy { text += "; \(remedy)" }
        return text
    }
}

/// Everything that is wrong in a configuration file, in the order of its lines.
public struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible {
    public let problems: [ConfigurationProblem]

    /// Takes at least one problem, in any order.
    init(_ problems: [ConfigurationProblem]) {
        // Problems of one line stay in the order in which they were found; those without a line come first.
        self.problems = problems.enumerated()
            .sorted { ($0.element.line ?? 0, $0.offset) < ($1.element.line ?? 0, $1.offset) }
            .map(\.element)
    }

    /// One line of text for each problem, no newline at the end.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
