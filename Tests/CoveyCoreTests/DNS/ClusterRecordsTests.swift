import CoveyCore
import Testing

/// A cluster with two kinds of hubs, both address families, and a mail domain of another zone.
enum DNSFixture {
    static let text = """
        [cluster]
        domains = ["example.com", "example.org"]

        [[hub]]
        name = "mh1"
        addresses = ["192.0.2.11", "2001:db8::11"]

        [[hub]]
        name = "mh2"
        addresses = ["192.0.2.12"]
        preference = 20

        [[mailbox]]
        name = "a"
        addresses = ["192.0.2.21", "2001:db8::21"]

        [[mailbox]]
        name = "b"
        addresses = ["192.0.2.22"]

        [dns]
        zone = "example.com"
        ttl = 120

        """

    static func records(
        _ text: String = text, silent: [ClusterRecords.Place: String] = [:]
    ) throws -> ClusterRecords {
        try ClusterRecords(try SampleConfiguration.load(text), silent: silent)
    }

    static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
}

@Suite struct ClusterRecordsTests {
    /// `NAME TYPE DATA` of all that is published.
    private func lines(_ records: ClusterRecords) -> [String] {
        records.sets.flatMap { set in set.published.map { "\(set.key.name) \(set.key.type) \($0.text)" } }
    }

    @Test func `all hubs are mail exchangers of each domain, all proxies behind one name, and nothing is a CNAME`()
        throws
    {
        #expect(
            lines(try DNSFixture.records()) == [
                "example.com MX 10 mh1.example.com.", "example.com MX 20 mh2.example.com.",
                "example.org MX 10 mh1.example.com.", "example.org MX 20 mh2.example.com.",
                "mh1.example.com A 192.0.2.11", "mh1.example.com AAAA 2001:db8::11",
                "mh2.example.com A 192.0.2.12",
                "a.example.com A 192.0.2.21", "a.example.com AAAA 2001:db8::21", "b.example.com A 192.0.2.22",
                "pop.example.com A 192.0.2.21", "pop.example.com A 192.0.2.22", "pop.example.com AAAA 2001:db8::21",
                "_pop3s._tcp.example.com SRV 0 0 0 .", "_pop3._tcp.example.com SRV 10 1 1100 pop.example.com.",
                "_pop3s._tcp.example.org SRV 0 0 0 .", "_pop3._tcp.example.org SRV 10 1 1100 pop.example.com.",
            ])
    }

    @Test func `a machine that is hub and proxy under one name has its addresses once`() throws {
        let text = """
            [cluster]
            domains = ["example.com"]
            [[hub]]
            name = "one"
            addresses = ["192.0.2.1"]
            [[hub]]
            name = "two"
            addresses = ["192.0.2.2"]
            [[mailbox]]
            name = "one"
            addresses = ["192.0.2.1"]
            [[mailbox]]
            name = "two"
            addresses = ["192.0.2.2"]
            [dns]
            zone = "example.com"
            """
        let records = try DNSFixture.records(text)
        #expect(
            lines(records).filter { $0.contains(" A ") } == [
                "one.example.com A 192.0.2.1", "two.example.com A 192.0.2.2", "pop.example.com A 192.0.2.1",
                "pop.example.com A 192.0.2.2",
            ])
        #expect(records.zoneText(only: "example.com").contains("; hub and proxy one\n"))
    }

    @Test func `who does not answer is left out of MX and of the proxies' name, and keeps its own name`() throws {
        let records = try DNSFixture.records(silent: [
            .hub("mh1"): "timed out", .proxy(try DNSFixture.address("192.0.2.22")): "refused",
        ])
        let lines = lines(records)
        #expect(
            lines.filter { $0.contains(" MX ") } == [
                "example.com MX 20 mh2.example.com.", "example.org MX 20 mh2.example.com.",
            ])
        #expect(
            lines.filter { $0.hasPrefix("pop.") } == [
                "pop.example.com A 192.0.2.21", "pop.example.com AAAA 2001:db8::21",
            ])
        #expect(lines.contains("mh1.example.com A 192.0.2.11"))
        #expect(lines.contains("b.example.com A 192.0.2.22"))
        let text = records.zoneText(only: "example.com")
        #expect(text.contains("does not answer (timed out)\n; example.com. "))
        #expect(!text.contains("\npop.example.com.         120 IN A 192.0.2.22"))
    }

    @Test func `an address type may go, but the name keeps an address`() throws {
        let silent = ["192.0.2.21", "2001:db8::21"]
        let records = try DNSFixture.records(
            silent: Dictionary(
                uniqueKeysWithValues: try silent.map { (.proxy(try DNSFixture.address($0)), "timed out") }))
        #expect(lines(records).filter { $0.hasPrefix("pop.") } == ["pop.example.com A 192.0.2.22"])
    }

    @Test func `where nobody answers, all stay`() throws {
        var silent: [ClusterRecords.Place: String] = [.hub("mh1"): "x", .hub("mh2"): "x"]
        for text in ["192.0.2.21", "2001:db8::21", "192.0.2.22"] { silent[.proxy(try DNSFixture.address(text))] = "x" }
        #expect(lines(try DNSFixture.records(silent: silent)) == lines(try DNSFixture.records()))
    }

    @Test(
        "the SRV records tell the ports that mail programs can reach",
        arguments: [
            ("listen = [\"[::]:1101\"]", "0 0 0 .", "10 1 1101 pop.example.com."),
            (
                "listen = [\"127.0.0.1:1100\", \"192.0.2.21:1110\"]", "0 0 0 .", "10 1 1110 pop.example.com."
            ),
            // HAProxy or the like takes the connections.
            ("listen = [\"127.0.0.1:1100\"]", "0 0 0 .", "10 1 110 pop.example.com."),
        ]) func ports(listen: String, tls: String, clear: String) throws
    {
        let records = try DNSFixture.records(DNSFixture.text + "[pop3]\n\(listen)\n")
        let services = records.sets.filter { $0.key.type == "SRV" }.flatMap { $0.published.map(\.text) }
        #expect(services == [tls, clear, tls, clear])
    }

    @Test func `without a zone there are no records, and the message says what to write`() throws {
        let error = #expect(throws: ClusterRecords.Problems.self) {
            _ = try ClusterRecords(try SampleConfiguration.load(SampleConfiguration.small))
        }
        #expect(error?.description.contains("zone = \"example.com\"") == true)
    }

    @Test func `the proxies' common name may not be one host's own`() throws {
        let error = #expect(throws: ClusterRecords.Problems.self) {
            try DNSFixture.records(DNSFixture.text + "pop_name = \"b\"\n")
        }
        #expect(error?.description.contains("dns.pop_name \"b\" is the name of a mailbox server too") == true)
    }

    @Test func `a zone shows its own names only, and points to the others`() throws {
        let records = try DNSFixture.records()
        let text = records.zoneText(only: "example.org")
        #expect(!text.contains("\npop.example.com."))
        #expect(text.contains("; Not here: example.com is in another zone; see covey dns --zone example.com\n"))
        #expect(
            records.notes(outside: "example.com") == [
                "Not here: example.org is in another zone; see covey dns --zone example.org"
            ])
    }

    @Test func `autoconfig offers the proxies' name by the safest way first, and the hubs for sending`() throws {
        let text = try #require(try SampleConfiguration.load(DNSFixture.text).autoconfig)
        let values = text.split(separator: "\n").map { $0.drop { $0 == " " } }
        #expect(values.contains("<domain>example.org</domain>"))
        #expect(
            values.filter { $0.hasPrefix("<hostname>") } == [
                "<hostname>pop.example.com</hostname>", "<hostname>mh1.example.com</hostname>",
                "<hostname>mh2.example.com</hostname>",
            ])
        #expect(
            values.filter { $0.hasPrefix("<port>") } == ["<port>1100</port>", "<port>587</port>", "<port>587</port>"])
        #expect(values.first { $0.hasPrefix("<socketType>") } == "<socketType>plain</socketType>")
    }
}
