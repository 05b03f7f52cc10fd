import CoveyCore
import Testing

@Suite struct DNSUpdateTests {
    private static let server = Endpoint(host: "192.0.2.53", port: 53)

    /// What dig 9.18 prints for one question.
    private static func answer(_ lines: String..., status: String = "NOERROR", flags: String = "qr aa") -> String {
        """
        ;; Got answer:
        ;; ->>HEADER<<- opcode: QUERY, status: \(status), id: 4711
        ;; flags: \(flags); QUERY: 1, ANSWER: \(lines.count), AUTHORITY: 0, ADDITIONAL: 1

        ;; OPT PSEUDOSECTION:
        ; EDNS: version: 0, flags:; udp: 1232
        ;; ANSWER SECTION:
        \(lines.joined(separator: "\n"))


        """
    }

    private static let mx = DNSRecordSet.Key(name: "example.com", type: "MX")
    private static let a = DNSRecordSet.Key(name: "pop.example.com", type: "A")

    @Test func `answers are read, of whatever case and order, and a name without records has none`() throws {
        let text =
            DNSUpdateTests.answer(
                "Example.COM.\t300\tIN\tMX\t20 MH2.example.com.", "example.com. 300 IN RRSIG MX 8 2 300 x",
                "example.com.\t300\tIN\tMX\t10 mh1.example.com.")
            + DNSUpdateTests.answer(status: "NXDOMAIN")
        let found = try DigAnswer(text, to: [DNSUpdateTests.mx, DNSUpdateTests.a])
        #expect(
            found.sets[DNSUpdateTests.mx] == [
                .init(ttl: 300, data: .mailExchanger(preference: 20, host: "mh2.example.com")),
                .init(ttl: 300, data: .mailExchanger(preference: 10, host: "mh1.example.com")),
            ])
        #expect(found.sets[DNSUpdateTests.a] == [])
    }

    private static let failures: [(String, String)] = [
        ("", "2 of 2 questions without an answer"),
        (answer(), "1 of 2 questions without an answer"),
        (
            answer() + ";; communications error to 192.0.2.53#53: timed out\n",
            "without an answer: communications error to 192.0.2.53#53: timed out"
        ),
        (answer() + answer(status: "SERVFAIL"), "pop.example.com A: the server answers SERVFAIL"),
        (answer(status: "REFUSED") + answer(), "example.com MX: the server answers REFUSED"),
        (answer(flags: "qr ra") + answer(), "no authoritative answer"),
        (answer() + answer("pop.example.com. 60 IN CNAME x.example.net."), "pop.example.com is a CNAME now"),
        (answer() + answer("pop.example.com. 60 IN A 192.0.2"), "cannot read"),
        (answer() + answer() + answer(), "more answers than questions"),
    ]

    /// From half an answer nobody may conclude that records are missing.
    @Test(arguments: failures)
    func `anything but a full answer from the zone's own server is a failure`(text: String, message: String) throws {
        let error = #expect(throws: DigAnswer.Failure.self) {
            try DigAnswer(text, to: [DNSUpdateTests.mx, DNSUpdateTests.a])
        }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    }

    /// A server that has just what is published, but for what the body changes.
    private func update(
        _ records: ClusterRecords, in zone: String = "example.com",
        change: (inout [DNSRecordSet.Key: [DigAnswer.Found]]) -> Void = { _ in }
    ) throws -> DNSUpdate {
        let keys = DNSUpdate.keys(records, in: zone)
        var found = try DigAnswer(keys.map { _ in DNSUpdateTests.answer() }.joined(), to: keys)
        for set in try DNSFixture.records().sets(in: zone) {
            found.sets[set.key] = set.published.map { .init(ttl: records.ttl, data: $0) }
        }
        change(&found.sets)
        return DNSUpdate(records, in: zone, present: found, server: DNSUpdateTests.server)
    }

    @Test func `a server that has everything needs no change`() throws {
        let update = try update(try DNSFixture.records())
        #expect(update.commands == [])
        #expect(update.text.hasPrefix(";"))
    }

    @Test func `what is missing is added, if nobody was quicker`() throws {
        let update = try update(try DNSFixture.records()) { $0[DNSUpdateTests.a] = [] }
        #expect(
            update.commands.filter { !$0.hasPrefix(";") } == [
                "server 192.0.2.53 53", "zone example.com.", "prereq nxrrset pop.example.com. IN A",
                "update add pop.example.com. 120 IN A 192.0.2.21", "update add pop.example.com. 120 IN A 192.0.2.22",
                "send",
            ])
    }

    @Test func `a proxy that does not answer is removed, with the reason, and comes back`() throws {
        let silent = try DNSFixture.records(silent: [.proxy(try DNSFixture.address("192.0.2.22")): "refused"])
        #expect(
            try update(silent).commands == [
                "server 192.0.2.53 53", "zone example.com.", "prereq yxrrset pop.example.com. IN A 192.0.2.21",
                "prereq yxrrset pop.example.com. IN A 192.0.2.22",
                "; proxy b, one of those that mail programs may use; left out, it does not answer (refused)",
                "update delete pop.example.com. IN A 192.0.2.22", "send",
            ])
        let back = try update(try DNSFixture.records()) { $0[DNSUpdateTests.a]?.removeLast() }
        #expect(back.commands.contains("update add pop.example.com. 120 IN A 192.0.2.22"))
    }

    @Test func `what cluster.toml does not name leaves the proxies' name, of either address type, and the MX set`()
        throws
    {
        let aaaa = DNSRecordSet.Key(name: "pop.example.com", type: "AAAA")
        let stranger = try DNSFixture.address("2001:db8::99")
        let update = try update(try DNSFixture.records()) {
            $0[aaaa]?.append(.init(ttl: 120, data: .address(stranger)))
            $0[DNSUpdateTests.mx]?.append(.init(ttl: 120, data: .mailExchanger(preference: 5, host: "old.example.com")))
        }
        #expect(
            update.commands.filter { $0.hasPrefix("update") } == [
                "update delete example.com. IN MX 5 old.example.com.",
                "update delete pop.example.com. IN AAAA 2001:db8::99",
            ])
        #expect(update.commands.contains("; cluster.toml does not name it"))
    }

    @Test func `the proxies' name is asked for both address types, though only one is wanted`() throws {
        let text = DNSFixture.text.replacing(", \"2001:db8::21\"", with: "")
        let keys = DNSUpdate.keys(try DNSFixture.records(text), in: "example.com")
        #expect(keys.filter { $0.name == "pop.example.com" }.map(\.type) == ["A", "AAAA"])
        // A host's own name may have more than the cluster knows of.
        #expect(keys.filter { $0.name == "b.example.com" }.map(\.type) == ["A"])
    }

    @Test func `another time to live is put right`() throws {
        let update = try update(try DNSFixture.records()) {
            $0[DNSUpdateTests.mx] = $0[DNSUpdateTests.mx]?.map { .init(ttl: 3600, data: $0.data) }
        }
        #expect(
            update.commands.filter { $0.hasPrefix("update") } == [
                "update add example.com. 120 IN MX 10 mh1.example.com.",
                "update add example.com. 120 IN MX 20 mh2.example.com.",
            ])
    }

    @Test func `another zone's update has its own names only`() throws {
        let update = try update(try DNSFixture.records(), in: "example.org") { $0 = $0.mapValues { _ in [] } }
        #expect(update.commands.contains("zone example.org."))
        #expect(update.commands.filter { $0.hasPrefix("update") }.count == 4)
        #expect(!update.text.contains("pop.example.com. 120 IN A "))
    }
}
