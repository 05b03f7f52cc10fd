import Testing

@testable import CoveyCore

@Suite struct MetricTextTests {
    @Test func `a registry has exactly this text`() {
        var histogram = LatencyHistogram(bounds: [0.1, 0.5, 2])
        for milliseconds in [50, 100, 101, 1_999, 2_001, 60_000] { histogram.observe(.milliseconds(milliseconds)) }
        let metrics = [
            Metric("covey_messages_total", .counter, "Messages.", 12),
            Metric("covey_server_up", .gauge, "Up.", by: "server", [("a", 1), ("b", 0), ("c", nil)]),
            Metric(
                "covey_delivery_duration_seconds", .histogram, "Time.",
                [.init([.init("server", "a")], .histogram(histogram))]),
            Metric("covey_none", .gauge, "Left out.", []),
            Metric("covey_cpu_seconds_total", .counter, "CPU.", [.init([], .decimal(1.25))]),
        ]
        // Written by hand from the format's description.
        let expected = """
            # HELP covey_messages_total Messages.
            # TYPE covey_messages_total counter
            covey_messages_total 12
            # HELP covey_server_up Up.
            # TYPE covey_server_up gauge
            covey_server_up{server="a"} 1
            covey_server_up{server="b"} 0
            # HELP covey_delivery_duration_seconds Time.
            # TYPE covey_delivery_duration_seconds histogram
            covey_delivery_duration_seconds_bucket{server="a",le="0.1"} 2
            covey_delivery_duration_seconds_bucket{server="a",le="0.5"} 3
            covey_delivery_duration_seconds_bucket{server="a",le="2"} 4
            covey_delivery_duration_seconds_bucket{server="a",le="+Inf"} 6
            covey_delivery_duration_seconds_sum{server="a"} 64.251
            covey_delivery_duration_seconds_count{server="a"} 6
            # HELP covey_cpu_seconds_total CPU.
            # TYPE covey_cpu_seconds_total counter
            covey_cpu_seconds_total 1.25

            """
        #expect(MetricText.encode(metrics) == expected)
    }

    @Test func `label values and help texts are escaped each in their way`() {
        let metric = Metric(
            "m", .gauge, "a \"quoted\" back\\slash\nline",
            [.init([.init("l", "a \"quoted\" back\\slash\nline é")], .integer(-1))])
        #expect(
            MetricText.encode([metric]) == """
                # HELP m a "quoted" back\\\\slash\\nline
                # TYPE m gauge
                m{l="a \\"quoted\\" back\\\\slash\\nline é"} -1

                """)
    }

    @Test(
        arguments: [
            (0.0, "0"), (1.0, "1"), (0.005, "0.005"), (2.5, "2.5"), (1e-9, "1e-09"), (-3.0, "-3"),
            (Double.infinity, "+Inf"), (-Double.infinity, "-Inf"), (Double.nan, "NaN"),
        ])
    func `numbers are as Go reads them`(value: Double, text: String) {
        #expect(MetricText.number(value) == text)
    }

    @Test func `an observation belongs to the first bucket whose bound it does not pass`() {
        var histogram = LatencyHistogram(bounds: [1, 2])
        histogram.observe(.seconds(1))
        histogram.observe(.seconds(2))
        histogram.observe(.milliseconds(2_001))
        #expect(histogram.buckets.map(\.count) == [1, 1, 1])
        #expect(histogram.cumulativeBuckets.map(\.count) == [1, 2, 3])
        #expect(histogram.cumulativeBuckets.map(\.bound) == [1, 2, nil])
        #expect(histogram.count == 3)
        #expect(histogram.quantileBound(0.5) == 2)
        #expect(histogram.quantileBound(0.3) == 1)
        #expect(histogram.quantileBound(1) == nil)
        #expect(LatencyHistogram().quantileBound(0.5) == nil)
    }
}
