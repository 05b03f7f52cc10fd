import Testing

@testable import CoveyCore

/// docs/cluster.toml.example and cluster.toml(5) against what the loader knows.
@Suite("Documentation of cluster.toml")
struct DocumentationTests {
    private static func lines(of name: String) throws -> [String] {
        // Tests/CoveyCoreTests/DocumentationTests.swift: three levels below the repository.
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let contents = try SystemFiles().read("/\(root)/docs/\(name)", limit: 1 << 20)
        return String(decoding: contents.octets, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// `#key = value` and `#[[table]]`; prose has a space behind its `#`.
    private static func isCommentedOut(_ line: String) -> Bool {
        guard line.hasPrefix("#"), let second = line.dropFirst().first else { return false }
        return second == "[" || (second.isLowercase && line.contains(" = "))
    }

    @Test("the example is a valid configuration")
    func exampleLoads() throws {
        let text = try Self.lines(of: "cluster.toml.example").joined(separator: "\n")
        #expect(SampleConfiguration.problems(text) == [])
    }

    @Test("what the example shows behind a # is the default")
    func exampleShowsDefaults() throws {
        let lines = try Self.lines(of: "cluster.toml.example")
        let bare = try SampleConfiguration.load(lines.joined(separator: "\n"))
        let uncommented = lines.map { Self.isCommentedOut($0) ? String($0.dropFirst()) : $0 }
        #expect(uncommented != lines)
        let full = try SampleConfiguration.load(uncommented.joined(separator: "\n"))
        #expect(full == bare)
    }

    @Test("the example has every key, in its table", arguments: KnownKeys.order)
    func exampleIsComplete(section: String) throws {
        var keys: Set<String> = []
        var isInside = false
        for line in try Self.lines(of: "cluster.toml.example") {
            let text = Self.isCommentedOut(line) ? String(line.dropFirst()) : line
            if text.hasPrefix("[") {
                isInside = text == KnownKeys.header(section)
            } else if isInside, let equals = text.firstRange(of: " = "), !text.hasPrefix("#") {
                keys.insert(String(text[..<equals.lowerBound]))
            }
        }
        // Excludes lmtp, which is shown; named in the prose above it.
        if section == "mailbox" { keys.insert("smtp") }
        #expect(keys == Set(KnownKeys.sections[section] ?? []))
    }

    @Test("cluster.toml(5) has every key in its table, and no other", arguments: KnownKeys.order)
    func manualIsComplete(section: String) throws {
        var keys: [String] = []
        var isInside = false
        for line in try Self.lines(of: "man/cluster.toml.5") {
            if line.hasPrefix(".Sh ") || line.hasPrefix(".Ss ") {
                isInside = line == ".Ss \(KnownKeys.header(section))"
            } else if isInside, line.hasPrefix(".It Ic ") {
                keys.append(String(line.dropFirst(".It Ic ".count)))
            }
        }
        #expect(keys.sorted() == KnownKeys.sections[section]?.sorted())
    }
}
