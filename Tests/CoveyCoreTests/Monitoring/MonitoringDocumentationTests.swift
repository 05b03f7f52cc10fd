import Testing

@testable import CoveyCore

/// docs/monitoring against what the daemons show.
@Suite struct MonitoringDocumentationTests {
    private static func text(of name: String) throws -> String {
        // Tests/CoveyCoreTests/Monitoring/…: four levels below the repository.
        let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let contents = try SystemFiles().read("/\(root)/docs/monitoring/\(name)", limit: 1 << 20)
        return String(decoding: contents.octets, as: UTF8.self)
    }

    /// All words of metrics' names in it, a histogram's parts as its name.
    private static func metrics(in text: String) -> Set<String> {
        var names: Set<String> = []
        for match in text.matches(of: /\b(covey_(milter|pop3d)_[a-z0-9_]+|process_[a-z0-9_]+)\b/) {
            var name = String(match.output.1)
            for part in ["_bucket", "_sum", "_count"] where name.hasSuffix(part) { name.removeLast(part.count) }
            names.insert(name)
        }
        return names
    }

    /// With everything in it that can be in it.
    private static var shown: [Metric] {
        var queue = MissingCopyGauges()
        queue.lookedAt = 1
        queue.servers["a"] = .init(waiting: 1, oldestArrival: 1)
        var figures = ProxyFigures()
        figures.countEnd("quit", hadMaildrop: false)
        var hub = HubSnapshotTests.snapshot(queue: queue)
        hub.process = .now(started: 1)
        return hub.metrics
            + ProxySnapshotTests.snapshot(figures: figures).metrics.filter { !$0.name.hasPrefix("process_") }
    }

    @Test func `the list of metrics is complete, and has no other`() throws {
        #expect(Self.metrics(in: try Self.text(of: "README.md")) == Set(Self.shown.map(\.name)))
    }

    @Test(arguments: ["alerts.yml", "alerts_test.yml", "grafana.json"])
    func `rules and dashboard ask for metrics that there are`(name: String) throws {
        let asked = Self.metrics(in: try Self.text(of: name))
        #expect(!asked.isEmpty)
        #expect(asked.subtracting(Self.shown.map(\.name)) == [])
    }

    @Test func `names and units are after Prometheus' conventions`() {
        for metric in Self.shown {
            #expect(metric.name.wholeMatch(of: /[a-z_][a-z0-9_]*/) != nil, "\(metric.name)")
            #expect((metric.kind == .counter) == metric.name.hasSuffix("_total"), "\(metric.name)")
            #expect(metric.help.hasSuffix("."), "\(metric.name)")
            for unit in ["milliseconds", "octets", "kilobytes", "minutes"] {
                #expect(!metric.name.contains(unit), "\(metric.name): base units")
            }
            #expect(!metric.samples.isEmpty, "\(metric.name)")
        }
        let names = Self.shown.map(\.name)
        #expect(Set(names).count == names.count)
    }
}
