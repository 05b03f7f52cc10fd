/// Writes metrics in Prometheus' text format, version 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
public enum MetricText {
    /// The format's media type.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Each metric's HELP and TYPE, then its samples, each line ended; in the order given. A metric without samples is
    /// left out.
    public static func encode(_ metrics: [Metric]) -> String {
        var text = ""
        for metric in metrics where !metric.samples.isEmpty {
            text += "# HELP \(metric.name) \(escapedHelp(metric.help))\n# TYPE \(metric.name) \(metric.kind.rawValue)\n"
            for sample in metric.samples { text += lines(metric.name, sample) }
        }
        return text
    }

    private static func lines(_ name: String, _ sample: Metric.Sample) -> String {
        switch sample.value {
        case .integer(let value): "\(name)\(braces(sample.labels)) \(value)\n"
        case .decimal(let value): "\(name)\(braces(sample.labels)) \(number(value))\n"
        case .histogram(let histogram): lines(name, sample.labels, histogram)
        }
    }

    private static func lines(_ name: String, _ labels: [Metric.Label], _ histogram: LatencyHistogram) -> String {
        var text = ""
        for bucket in histogram.cumulativeBuckets {
            let bound = bucket.bound.map(number) ?? "+Inf"
            text += "\(name)_bucket\(braces(labels + [Metric.Label("le", bound)])) \(bucket.count)\n"
        }
        text += "\(name)_sum\(braces(labels)) \(number(histogram.sum))\n"
        return text + "\(name)_count\(braces(labels)) \(histogram.count)\n"
    }

    private static func braces(_ labels: [Metric.Label]) -> String {
        guard !labels.isEmpty else { return "" }
        return "{" + labels.map { "\($0.name)=\"\(escapedLabel($0.value))\"" }.joined(separator: ",") + "}"
    }

    /// As Go's ParseFloat takes it; whole numbers without a point.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int(exactly: value).map(String.init) ?? "\(value)"
    }

    private static func escapedLabel(_ text: String) -> String { escaped(text, quotes: true) }

    private static func escapedHelp(_ text: String) -> String { escaped(text, quotes: false) }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        // The usual case: names and plain words.
        let special: [UInt8] = [UInt8(ascii: "\\"), UInt8(ascii: "\n"), UInt8(ascii: "\"")]
        guard text.utf8.contains(where: special.contains) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
