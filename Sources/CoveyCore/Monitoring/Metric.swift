/// One metric with all its samples, as Prometheus knows it: name and unit after its conventions (base units, `_total` on
/// counters; https://prometheus.io/docs/practices/naming/).
public struct Metric: Sendable, Equatable {
    public enum Kind: String, Sendable { case counter, gauge, histogram }

    public struct Label: Sendable, Equatable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public enum Value: Sendable, Equatable {
        case integer(Int)
        case decimal(Double)
        case histogram(LatencyHistogram)
    }

    public struct Sample: Sendable, Equatable {
        public var labels: [Label]
        public var value: Value

        public init(_ labels: [Label] = [], _ value: Value) {
            self.labels = labels
            self.value = value
        }
    }

    public var name: String
    public var kind: Kind
    public var help: String
    public var samples: [Sample]

    public init(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// One without labels.
    public init(_ name: String, _ kind: Kind, _ help: String, _ value: Int) {
        self.init(name, kind, help, [Sample([], .integer(value))])
    }

    /// One number for each value of a label; nil leaves the sample out.
    public init(
        _ name: String, _ kind: Kind, _ help: String, by label: String, _ values: [(label: String, value: Int?)]
    ) {
        self.init(
            name, kind, help,
            values.compactMap { entry in
                entry.value.map { Sample([Label(label, entry.label)], .integer($0)) }
            })
    }
}
