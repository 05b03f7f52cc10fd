/// Durations and sizes as `cluster.toml` writes them: a whole number and a unit, `500ms`, `10d`, `64KiB`.
enum Units {
    static let durations: [(suffix: String, milliseconds: Int)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000),
    ]
    static let sizes: [(suffix: String, octets: Int)] = [
        ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
    ]

    /// Nil when the text is not a whole number with one of the units, or too large to count.
    static func duration(_ text: String) -> Duration? {
        amount(text, units: durations.map { ($0.suffix, $0.milliseconds) }).map { .milliseconds($0) }
    }

    /// Octets; nil when the text is not a whole number with one of the units, or too large to count.
    static func size(_ text: String) -> Int? {
        amount(text, units: sizes.map { ($0.suffix, $0.octets) })
    }

    private static func amount(_ text: String, units: [(String, Int)]) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits), let unit = units.first(where: { $0.0 == text[digits.endIndex...] }) else {
            return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: unit.1)
        return overflow ? nil : product
    }

    /// The shortest text that means this duration, down to milliseconds.
    static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
        // Weeks are understood but not printed: "14d" is what people write.
        let unit = durations.dropLast().last { milliseconds != 0 && milliseconds % $0.milliseconds == 0 }
        return unit.map { "\(milliseconds / $0.milliseconds)\($0.suffix)" } ?? "0s"
    }

    /// The shortest text that means this size.
    static func text(octets: Int) -> String {
        let unit = sizes.last { octets != 0 && octets % $0.octets == 0 }
        return unit.map { "\(octets / $0.octets)\($0.suffix)" } ?? "0B"
    }
}
