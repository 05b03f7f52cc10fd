/// How one kind of value is read: what it is called in messages, an example, and the check itself.
struct ValueKind<Value> {
    /// With its article: `a duration in quotes`.
    var wanted: String
    /// As it would stand in the file.
    var example: String
    /// Nil for a node of the wrong type. Complaints of list elements come with the element's index.
    var read: (ConfigurationNode, _ complain: (Complaint, Int?) -> Void) -> Reading<Value>

    enum Reading<Result> {
        case value(Result)
        case wrongType
        /// The complaint was made.
        case refused
    }
}

/// Collects what is wrong with a file, and which keys the file sets.
final class ConfigurationReport {
    let file: String
    private let locator: KeyLocator
    private(set) var problems: [ConfigurationProblem] = []
    /// Index paths of keys that the file sets, such as `mailbox[0].lmtp`.
    private(set) var explicitKeys: Set<String> = []
    /// Index paths with a complaint: rules that compare values leave them alone.
    private var doubtful: Set<String> = []

    init(file: String, locator: KeyLocator) {
        self.file = file
        self.locator = locator
    }

    func isSound(_ paths: String...) -> Bool { doubtful.isDisjoint(with: paths) }

    func line(of path: String) -> Int? { locator.line(of: path) }

    func setExplicitly(_ path: String) { explicitKeys.insert(path) }

    /// Reports a problem at `path`, or, when the file does not have it, at the nearest table above it.
    func add(_ path: String, shown: String? = nil, element: Int? = nil, _ complaint: Complaint) {
        doubtful.insert(path)
        var line = element.flatMap { locator.line(of: "\(path)[\($0)]") } ?? locator.line(of: path)
        var parent = path[...]
        while line == nil, let dot = parent.lastIndex(of: ".") {
            parent = parent[..<dot]
            line = locator.line(of: String(parent))
        }
        problems.append(
            ConfigurationProblem(
                file: file, line: line, keyPath: shown ?? path, message: complaint.message, remedy: complaint.remedy))
    }
}

/// Reads the keys of one table, with types and defaults; everything wrong goes to the report.
struct TableReader {
    /// Index path, `mailbox[1]`.
    let path: String
    /// What messages call it: `mailbox[b]`.
    let shown: String
    let nodes: [String: ConfigurationNode]
    let report: ConfigurationReport

    func has(_ key: String) -> Bool { nodes[key] != nil }

    /// The key's value; nil if it is not there or was complained about.
    func value<Value>(_ key: String, _ kind: ValueKind<Value>) -> Value? {
        guard let node = nodes[key] else { return nil }
        report.setExplicitly("\(path).\(key)")
        switch kind.read(node, { complaint, element in complain(key, element: element, complaint) }) {
        case .value(let value): return value
        case .wrongType:
            complain(
                key,
                Complaint("is \(node.typeName), must be \(kind.wanted)", remedy: "write \(key) = \(kind.example)"))
            return nil
        case .refused: return nil
        }
    }

    func value<Value>(_ key: String, _ kind: ValueKind<Value>, default preset: @autoclosure () -> Value) -> Value {
        value(key, kind) ?? preset()
    }

    /// Like `value`, for a key that has no default.
    func mandatory<Value>(_ key: String, _ kind: ValueKind<Value>) -> Value? {
        if nodes[key] == nil {
            complain(key, Complaint("is missing", remedy: "add \(key) = \(kind.example) to \(header)"))
            return nil
        }
        return value(key, kind)
    }

    func complain(_ key: String, element: Int? = nil, _ complaint: Complaint) {
        report.add("\(path).\(key)", shown: "\(shown).\(key)", element: element, complaint)
    }

    private var header: String {
        path.contains("[") ? "this [[\(path.prefix { $0 != "[" })]]" : "[\(path)]"
    }

    /// Reports keys that this table does not know.
    func refuseUnknownKeys() {
        let section = String(path.prefix { $0 != "[" })
        let known = KnownKeys.sections[section] ?? []
        for key in nodes.keys.sorted() where !known.contains(key) {
            complain(key, KnownKeys.unknownKey(key, in: section))
        }
    }
}
