import CoveyCore
import Testing

@Suite struct ClusterHostTests {
    private func table(_ kind: String, _ name: String, _ addresses: String...) -> String {
        let list = addresses.map { "\"\($0)\"" }.joined(separator: ", ")
        return "[[\(kind)]]\nname = \"\(name)\"\naddresses = [\(list)]\n"
    }

    private func load(_ tables: String...) throws -> ClusterConfiguration {
        try SampleConfiguration.load("[cluster]\ndomains = [\"example.com\"]\n" + tables.joined())
    }

    @Test func `hubs apart from mailbox servers: every host once, hubs last, a proxy on each mailbox server`() throws {
        let hosts = try load(
            table("hub", "mh1", "192.0.2.11"), table("mailbox", "a", "192.0.2.21"),
            table("mailbox", "b", "2001:db8::22")
        ).clusterHosts
        #expect(hosts.map(\.name) == ["a", "b", "mh1"])
        #expect(hosts.map(\.addresses.first?.description) == ["192.0.2.21", "2001:db8::22", "192.0.2.11"])
        #expect(hosts.map(\.mailbox) == ["a", "b", nil])
        #expect(hosts.map(\.proxy) == ["a", "b", nil])
        #expect(hosts.map(\.hub) == [nil, nil, "mh1"])
    }

    @Test func `one machine may be everything, under one name or several`() throws {
        let hosts = try load(
            table("hub", "m1", "192.0.2.21"), table("hub", "mx2", "192.0.2.22", "192.0.2.32"),
            table("mailbox", "m1", "192.0.2.21"), table("mailbox", "m2", "192.0.2.22"),
            table("proxy", "m1", "192.0.2.41"), table("proxy", "m2", "192.0.2.22")
        ).clusterHosts
        #expect(hosts.map(\.name) == ["m1", "m2"])
        #expect(hosts.map(\.hub) == ["m1", "mx2"])
        #expect(hosts.map(\.proxy) == ["m1", "m2"])
        #expect(hosts[0].addresses.map(\.description) == ["192.0.2.21", "192.0.2.41"])
        #expect(hosts[1].addresses.map(\.description) == ["192.0.2.22", "192.0.2.32"])
    }

    @Test func `tables of one kind are never one machine, though they share a loopback address`() throws {
        let hosts = try load(
            table("hub", "mh1", "127.0.0.1"), table("mailbox", "a", "127.0.0.1"),
            table("mailbox", "b", "127.0.0.1") + "lmtp = \"127.0.0.1:2424\"\npop3 = \"127.0.0.1:2110\"\n"
        ).clusterHosts
        #expect(hosts.map(\.name) == ["a", "b"])
        #expect(hosts.map(\.hub) == ["mh1", nil])
    }

    @Test(
        "ports below 1024 are told of the daemon that listens there",
        arguments: [
            ("[pop3]\nlisten = [\"[::]:1100\"]\n", [], []),
            ("[pop3]\nlisten = [\"[::]:1100\", \"192.0.2.21:1023\"]\n", ["covey-pop3d"], []),
            ("[pop3]\nlisten = [\"[::]:1024\"]\n", [], []),
            ("[milter]\nsocket = \"inet:891@127.0.0.1\"\n", [], ["covey-milter"]),
            ("[milter]\nsocket = \"inet:8891@127.0.0.1\"\n", [], []),
        ] as [(String, [String], [String])])
    func lowPorts(keys: String, atProxy: [String], atHub: [String]) throws {
        let hosts = try load(table("hub", "mh1", "192.0.2.11"), table("mailbox", "a", "192.0.2.21"), keys).clusterHosts
        #expect(hosts.map(\.daemonsOnLowPorts) == [atProxy, atHub])
    }

    @Test func `the listing names hosts with their roles, then the files with their readers`() throws {
        let listing = try load(
            table("hub", "mh1", "192.0.2.11"), table("mailbox", "a", "192.0.2.21")
        ).hostListing
        #expect(
            listing == """
                host\ta\t192.0.2.21\tmailbox=a,proxy=a\t-
                host\tmh1\t192.0.2.11\thub=mh1\t-
                file\tcluster.key_file\tall\tsecret\t/etc/covey/cluster.key
                file\tjournal.password_file\tproxy\tsecret\t/etc/covey/journal.password

                """)
    }

    @Test func `authorities, certificate and private key are listed once each`() throws {
        let files = try load(
            table("hub", "mh1", "192.0.2.11"),
            table("mailbox", "a", "192.0.2.21") + "tls = \"starttls\"\nca_file = \"ca.pem\"\n",
            table("mailbox", "b", "192.0.2.22") + "tls = \"starttls\"\nca_file = \"/etc/covey/ca.pem\"\n",
            "[pop3]\ncertificate = \"pop.pem\"\nprivate_key = \"/etc/ssl/private/pop.key\"\n"
        ).namedFiles
        #expect(
            files.map(\.path) == [
                "/etc/covey/cluster.key", "/etc/covey/journal.password", "/etc/covey/ca.pem", "/etc/covey/pop.pem",
                "/etc/ssl/private/pop.key",
            ])
        #expect(files.map(\.isSecret) == [true, true, false, false, true])
        #expect(files.map(\.readBy) == [.everyDaemon, .proxies, .everyDaemon, .proxies, .proxies])
    }
}
