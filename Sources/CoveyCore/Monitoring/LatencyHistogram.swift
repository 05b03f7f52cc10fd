/// How long things took: counts of observations by upper bound.
public struct LatencyHistogram: Sendable, Equatable {
    /// From a delivery to a disk nearby to one that nearly ran into `delivery_timeout`: seconds.
    public static let usualBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    /// Upper bounds in seconds, ascending; each includes its own value.
    public let bounds: [Double]
    /// One for each bound, and one for what is above all; not cumulative.
    private var counts: [Int]
    /// Of all observations, seconds.
    public private(set) var sum = 0.0

    public init(bounds: [Double] = usualBounds) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    public mutating func observe(_ time: Duration) {
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
        sum += seconds
        counts[bounds.firstIndex { seconds <= $0 } ?? bounds.count] += 1
    }

    /// Of all observations.
    public var count: Int { counts.reduce(0, +) }

    /// Observations up to each bound; the last one, without a bound, has all.
    public var cumulativeBuckets: [(bound: Double?, count: Int)] {
        var total = 0
        return counts.enumerated().map { place, count in
            total += count
            return (place < bounds.count ? bounds[place] : nil, total)
        }
    }

    /// Observations within each bucket alone.
    public var buckets: [(bound: Double?, count: Int)] {
        counts.enumerated().map { ($0 < bounds.count ? bounds[$0] : nil, $1) }
    }

    /// The bound below which this share of observations lies; nil without any, or above all bounds.
    ///
    /// - Parameter share: 0 to 1.
    public func quantileBound(_ share: Double) -> Double? {
        let wanted = Double(count) * share
        guard count > 0 else { return nil }
        return cumulativeBuckets.first { Double($0.count) >= wanted }?.bound
    }
}
