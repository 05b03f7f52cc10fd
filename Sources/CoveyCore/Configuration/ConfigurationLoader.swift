/// Reads `cluster.toml`: every key of design §8 parsed, defaulted and validated, everything wrong reported at once.
public struct ConfigurationLoader {
    /// What a program cannot do without.
    public enum Need: Sendable, Hashable {
        /// The journal's password (covey-pop3d). Without this need a missing password file is no error.
        case journalPassword
        /// The CA bundles of the mailbox servers can be read.
        case authorityFiles
        /// The proxy's certificate and its private key can be read, and are a pair.
        case certificateFiles
    }

    /// More text than any cluster needs; stops at a file named by mistake.
    static let limit = 1024 * 1024

    /// Reads a configuration and the files it names from the machine's file system.
    ///
    /// - Parameters:
    ///   - path: the configuration file; relative names in it are relative to its directory.
    ///   - needs: what must be there beyond what every program needs.
    ///   - certificateCheck: what looks into the files of `Need.certificateFiles`.
    /// - Throws: all that is wrong. Text that is not TOML gives one problem, with line and column.
    public static func load(
        path: String, needs: Set<Need> = [], certificateCheck: CertificateCheck? = nil
    ) throws(ConfigurationErrors) -> ClusterConfiguration {
        try load(path: path, needs: needs, certificateCheck: certificateCheck, files: SystemFiles())
    }

    /// The same over files that `files` has.
    public static func load(
        path: String, needs: Set<Need> = [], certificateCheck: CertificateCheck? = nil, files: some FileAccess
    ) throws(ConfigurationErrors) -> ClusterConfiguration {
        let text: String
        do throws(FileAccessError) {
            let contents = try files.read(path, limit: limit)
            guard let valid = String(validating: contents.octets, as: UTF8.self) else {
                throw FileAccessError(reason: .other, text: "it is not UTF-8 text")
            }
            text = valid
        } catch {
            throw ConfigurationErrors([
                ConfigurationProblem(
                    file: path, message: "cannot be read: \(error.text)",
                    remedy: error.reason == .missing
                        ? "copy it from another host of the cluster, or name it with --config" : nil)
            ])
        }
        let reader = FileReader(
            files: files,
            directory: Paths.directory(of: path, workingDirectory: files.workingDirectory), needs: needs,
            certificateCheck: certificateCheck)
        return try parse(text, path: path, environment: reader)
    }

    private static func parse(
        _ text: String, path: String, environment: FileReader
    ) throws(ConfigurationErrors) -> ClusterConfiguration {
        let document: [String: ConfigurationNode]
        do throws(ConfigurationNode.SyntaxError) {
            document = try ConfigurationNode.document(text)
        } catch {
            throw ConfigurationErrors([
                ConfigurationProblem(
                    file: path, line: error.line, column: error.column, message: "is not TOML: \(error.message)")
            ])
        }
        let report = ConfigurationReport(file: path, locator: KeyLocator(text: text))
        let sections = Sections(document: document, report: report)

        let cluster = DaemonSections.cluster(sections, files: environment)
        let hubs = ServerSections.hubs(sections)
        let mailboxes = ServerSections.mailboxes(sections, files: environment)
        let configuration = ClusterConfiguration(
            cluster: cluster,
            hubs: hubs,
            mailboxes: mailboxes,
            proxies: ServerSections.proxies(sections, mailboxes: mailboxes),
            dns: DaemonSections.dns(sections),
            milter: DaemonSections.milter(sections, files: environment),
            pop3: DaemonSections.pop3(sections, files: environment),
            journal: DaemonSections.journal(sections, domains: cluster.domains, files: environment),
            monitor: DaemonSections.monitor(sections),
            explicitKeys: report.explicitKeys)
        ConfigurationRules(configuration: configuration, report: report).check()
        guard report.problems.isEmpty else { throw ConfigurationErrors(report.problems) }
        return configuration
    }
}

/// The tables of the file by name; a table of the wrong shape is reported and taken for empty.
struct Sections {
    let report: ConfigurationReport
    private var tables: [String: [[String: ConfigurationNode]]] = [:]

    init(document: [String: ConfigurationNode], report: ConfigurationReport) {
        self.report = report
        for (name, node) in document.sorted(by: { $0.key < $1.key }) {
            guard KnownKeys.sections[name] != nil else {
                report.add(name, KnownKeys.unknownSection(name, isTable: Sections.isTable(node)))
                continue
            }
            tables[name] = shaped(node, name: name)
        }
    }

    private static func isTable(_ node: ConfigurationNode) -> Bool {
        switch node {
        case .table: true
        case .list(let nodes): nodes.contains { if case .table = $0 { true } else { false } }
        default: false
        }
    }

    private func shaped(_ node: ConfigurationNode, name: String) -> [[String: ConfigurationNode]] {
        if KnownKeys.lists.contains(name) {
            if case .list(let nodes) = node {
                let tables = nodes.compactMap { if case .table(let table) = $0 { table } else { nil } }
                if tables.count == nodes.count { return tables }
            }
            if case .table = node {
                report.add(
                    name,
                    Complaint(
                        "is a single table, must be a list of them", remedy: "write [[\(name)]] instead of [\(name)]"))
                return []
            }
        } else {
            if case .table(let table) = node { return [table] }
            if case .list = node {
                report.add(
                    name,
                    Complaint(
                        "is a list of tables, must be a single one", remedy: "write [\(name)] once, not [[\(name)]]"))
                return []
            }
        }
        report.add(
            name,
            Complaint(
                "is \(node.typeName), must be a table", remedy: "write \(KnownKeys.header(name)) and its keys below"))
        return []
    }

    func has(_ name: String) -> Bool { tables[name] != nil }

    /// The table `[name]`, empty if the file lacks it.
    func single(_ name: String) -> TableReader {
        let reader = TableReader(path: name, shown: name, nodes: tables[name]?.first ?? [:], report: report)
        reader.refuseUnknownKeys()
        return reader
    }

    /// The tables `[[name]]`. Messages call each by its name, or by its number, from 1, while it has none.
    func list(_ name: String) -> [TableReader] {
        (tables[name] ?? []).enumerated().map { index, nodes in
            var shown = "\(index + 1)"
            if case .string(let text)? = nodes["name"], Names.isLabel(text) { shown = text }
            let reader = TableReader(
                path: "\(name)[\(index)]", shown: "\(name)[\(shown)]", nodes: nodes, report: report)
            reader.refuseUnknownKeys()
            return reader
        }
    }
}

enum Paths {
    /// The absolute directory that `path` is in.
    static func directory(of path: String, workingDirectory: String) -> String {
        let absolute = path.hasPrefix("/") ? path : join(workingDirectory, path)
        guard let slash = absolute.lastIndex(of: "/"), slash != absolute.startIndex else { return "/" }
        return String(absolute[..<slash])
    }

    static func join(_ directory: String, _ path: String) -> String {
        if path.hasPrefix("/") { return path }
        var rest = path[...]
        while rest.hasPrefix("./") { rest = rest.dropFirst(2) }
        return directory.hasSuffix("/") ? directory + rest : "\(directory)/\(rest)"
    }
}
