import CoveyCore
import Testing

@Suite struct ConfigurationLoaderTests {
    @Test func `a small file gets every default of the design`() throws {
        let configuration = try SampleConfiguration.load(SampleConfiguration.small)
        #expect(configuration.cluster.keyFile == "/etc/covey/cluster.key")
        #expect(configuration.cluster.key.octets == [UInt8](repeating: 0x41, count: 32))
        #expect(configuration.hubs.map(\.preference) == [10])
        #expect(configuration.mailboxes.map(\.delivery.description) == ["192.0.2.21:24", "[2001:db8::22]:24"])
        #expect(configuration.mailboxes.map(\.pop3.description) == ["192.0.2.21:110", "[2001:db8::22]:110"])
        #expect(configuration.mailboxes.allSatisfy { $0.deliveryProtocol == .lmtp && $0.tls == .none && $0.verify })
        #expect(configuration.proxies.map(\.name) == ["a", "b"])
        #expect(configuration.proxies.map(\.addresses) == configuration.mailboxes.map(\.addresses))
        #expect(configuration.dns == .init(zone: nil, popName: "pop", ttl: 300))
        #expect(
            configuration.milter
                == .init(
                    socket: "unix:/var/spool/postfix/covey/milter.sock", delivery: .direct, minCopies: .count(1),
                    connectTimeout: .seconds(3), deliveryTimeout: .seconds(30), spoolLimit: 2_147_483_648,
                    leaveToMTA: [], rejectUnknown: false, user: "covey",
                    flushCommand: ["postqueue", "-s", "{domain}.{server}.covey.invalid"]))
        #expect(
            configuration.pop3
                == .init(
                    listen: [Endpoint(host: "::", port: 1100)], listenTLS: [], certificate: nil, privateKey: nil,
                    auth: .all, loginTimeout: .seconds(5), defaultDomain: nil, maxConnections: 5000,
                    proxyProtocolFrom: [], healAfter: .seconds(86400), user: "covey"))
        #expect(
            configuration.journal
                == .init(
                    mailbox: "covey-journal@example.com", passwordFile: "/etc/covey/journal.password",
                    password: Secret("s3cret"), expire: .seconds(864_000), poll: .seconds(1)))
        #expect(configuration.monitor.listen.description == "127.0.0.1:9110")
    }

    @Test func `every key of the design is taken from the file`() throws {
        let configuration = try SampleConfiguration.load(Self.full)
        #expect(configuration.cluster.domains == ["example.com", "example.org"])
        #expect(configuration.hubs.map(\.preference) == [20])
        let server = try #require(configuration.mailboxes.first)
        #expect(server.deliveryProtocol == .smtp)
        #expect(server.delivery == Endpoint(host: "a.example.com", port: 2525))
        #expect(server.pop3 == Endpoint(host: "192.0.2.21", port: 995))
        #expect(server.tls == .implicit)
        #expect(server.caFile == "/etc/covey/ca.pem")
        #expect(!server.verify)
        #expect(configuration.proxies == [.init(name: "p", addresses: server.addresses)])
        #expect(configuration.dns == .init(zone: "example.net", popName: "mail", ttl: 60))
        #expect(
            configuration.milter
                == .init(
                    socket: "inet6:8891@::1", delivery: .queued, minCopies: .all, connectTimeout: .milliseconds(500),
                    deliveryTimeout: .seconds(60), spoolLimit: 65536, leaveToMTA: ["hash:/etc/postfix/virtual"],
                    rejectUnknown: true, user: "_covey", flushCommand: ["sendmail", "-qR{domain}.{server}"]))
        #expect(
            configuration.pop3
                == .init(
                    listen: [], listenTLS: [Endpoint(host: "::", port: 1995)], certificate: "/etc/covey/pop.pem",
                    privateKey: "/etc/ssl/pop.key", auth: .any, loginTimeout: .seconds(7),
                    defaultDomain: "example.org", maxConnections: 10,
                    proxyProtocolFrom: [try #require(IPAddress("192.0.2.9"))], healAfter: .zero, user: "pop"))
        #expect(
            configuration.journal
                == .init(
                    mailbox: "journal@example.org", passwordFile: "/etc/covey/journal.password",
                    password: Secret("s3cret"), expire: .seconds(1_209_600), poll: .seconds(2)))
        #expect(configuration.monitor.listen == Endpoint(host: "::1", port: 9000))
    }

    @Test(arguments: [SampleConfiguration.small, Self.full])
    func `the effective description reads back as the same configuration`(text: String) throws {
        let configuration = try SampleConfiguration.load(text)
        let printed = configuration.effectiveDescription
        let again = try SampleConfiguration.load(printed)
        #expect(again == configuration)
        #expect(!printed.contains("s3cret"))
        #expect(!printed.contains(FakeFiles.key))
    }

    @Test func `the effective description marks what the file does not set`() throws {
        let lines = try SampleConfiguration.load(SampleConfiguration.small + "[milter]\nmin_copies = 1\n")
            .effectiveDescription.split(separator: "\n")
        #expect(lines.contains("min_copies = 1"))
        #expect(lines.contains("connect_timeout = \"3s\"  # default"))
        #expect(lines.contains("domains = [\"example.com\"]"))
        #expect(lines.contains("key_file = \"/etc/covey/cluster.key\"  # default"))
        #expect(lines.filter { $0 == "name = \"a\"" }.count == 1, "the mailbox server's name was set")
        #expect(lines.filter { $0 == "name = \"a\"  # default" }.count == 1, "the proxy's was not")
    }

    @Test func `a hub does without the journal's password, a proxy does not`() throws {
        var files = FakeFiles(SampleConfiguration.small)
        files.contents["/etc/covey/journal.password"] = nil
        let hub = try ConfigurationLoader.load(path: "/etc/covey/cluster.toml", files: files)
        #expect(hub.journal.password == nil)
        let errors = #expect(throws: ConfigurationErrors.self) {
            try ConfigurationLoader.load(path: "/etc/covey/cluster.toml", needs: [.journalPassword], files: files)
        }
        #expect(errors?.problems.map(\.keyPath) == ["journal.password_file"])
    }

    @Test func `without a Postfix the socket is below run`() throws {
        var files = FakeFiles(SampleConfiguration.small)
        files.contents["/var/spool/postfix"] = nil
        let configuration = try ConfigurationLoader.load(path: "/etc/covey/cluster.toml", files: files)
        #expect(configuration.milter.socket == "unix:/run/covey/milter.sock")
    }

    @Test func `a relative configuration path is relative to the working directory`() throws {
        var files = FakeFiles(SampleConfiguration.small, path: "conf/cluster.toml")
        files.add("/home/admin/conf/cluster.key", FakeFiles.key, mode: 0o600)
        let configuration = try ConfigurationLoader.load(path: "conf/cluster.toml", files: files)
        #expect(configuration.cluster.keyFile == "/home/admin/conf/cluster.key")
    }

    @Test func `an authority's file that is not there is reported with its line, where it is needed`() throws {
        let text = SampleConfiguration.small.replacing(
            "addresses = [\"192.0.2.21\"]", with: "addresses = [\"192.0.2.21\"]\nca_file = \"/nowhere/ca.pem\"")
        _ = try SampleConfiguration.load(text)
        let errors = #expect(throws: ConfigurationErrors.self) {
            try SampleConfiguration.load(text, needs: [.authorityFiles])
        }
        #expect(
            errors?.description
                == "/etc/covey/cluster.toml:11: mailbox[a].ca_file: /nowhere/ca.pem cannot be read: "
                + "No such file or directory; name a PEM file that is there")
    }

    @Test func `a missing configuration is one problem with a remedy`() {
        let errors = #expect(throws: ConfigurationErrors.self) {
            try ConfigurationLoader.load(path: "/etc/covey/other.toml", files: FakeFiles())
        }
        #expect(
            errors?.description
                == "/etc/covey/other.toml: cannot be read: No such file or directory; "
                + "copy it from another host of the cluster, or name it with --config")
    }

    @Test func `servers on one machine may share a loopback address`() {
        let text = """
            [cluster]
            domains = ["example.com"]
            [[hub]]
            name = "mh1"
            addresses = ["127.0.0.1"]
            [[mailbox]]
            name = "a"
            addresses = ["127.0.0.1"]
            lmtp = "127.0.0.1:2401"
            pop3 = "127.0.0.1:11001"
            [[mailbox]]
            name = "b"
            addresses = ["127.0.0.1"]
            lmtp = "127.0.0.1:2402"
            pop3 = "127.0.0.1:11002"
            """
        #expect(SampleConfiguration.problems(text) == [])
    }

    @Test(arguments: [
        ("4141414141414141414141414141414141414141414141414141414141414141", 32),
        ("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE", 32),
        ("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB", 33),
        ("\n# comment\n  QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\r\n", 32),
    ])
    func `a key may be hexadecimal or base64`(text: String, length: Int) throws {
        var files = FakeFiles(SampleConfiguration.small)
        files.add("/etc/covey/cluster.key", text, mode: 0o600)
        let configuration = try ConfigurationLoader.load(path: "/etc/covey/cluster.toml", files: files)
        #expect(configuration.cluster.key.octets == [UInt8](repeating: 0x41, count: length))
    }

    @Test(arguments: 32...48) func `a key file reads back what was written`(length: Int) throws {
        let key = ClusterKey(octets: (0..<length).map { UInt8(truncatingIfNeeded: $0 * 37 + 250) })
        var files = FakeFiles(SampleConfiguration.small)
        files.add("/etc/covey/cluster.key", KeyFile.text(for: key), mode: 0o600)
        let configuration = try ConfigurationLoader.load(path: "/etc/covey/cluster.toml", files: files)
        #expect(configuration.cluster.key == key)
    }

    static let full = """
        [cluster]
        domains = ["Example.COM", "example.org"]
        key_file = "./cluster.key"
        [[hub]]
        name = "mh1"
        addresses = ["192.0.2.11", "2001:db8::11"]
        preference = 20
        [[mailbox]]
        name = "a"
        addresses = ["192.0.2.21"]
        smtp = "a.example.com:2525"
        tls = "implicit"
        ca_file = "ca.pem"
        verify = false
        [[proxy]]
        name = "p"
        addresses = ["192.0.2.21"]
        [dns]
        zone = "example.net"
        pop_name = "mail"
        ttl = 60
        [milter]
        socket = "inet6:8891@::1"
        delivery = "queued"
        min_copies = "all"
        connect_timeout = "500ms"
        delivery_timeout = "1m"
        spool_limit = "64KiB"
        leave_to_mta = ["hash:/etc/postfix/virtual"]
        reject_unknown = true
        user = "_covey"
        flush_command = ["sendmail", "-qR{domain}.{server}"]
        [pop3]
        listen = []
        listen_tls = ["[::]:1995"]
        certificate = "pop.pem"
        private_key = "/etc/ssl/pop.key"
        auth = "any"
        login_timeout = "7s"
        default_domain = "example.org"
        max_connections = 10
        proxy_protocol_from = ["192.0.2.9"]
        heal_after = "0s"
        user = "pop"
        [journal]
        mailbox = "Journal@example.org"
        password_file = "journal.password"
        expire = "2w"
        poll = "2s"
        [monitor]
        listen = "[::1]:9000"
        """
}
