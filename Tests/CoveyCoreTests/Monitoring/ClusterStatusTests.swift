import Testing

@testable import CoveyCore

@Suite struct ClusterStatusTests {
    typealias Daemon = ClusterStatus.Daemon

    static func hub(
        _ host: String = "mh1", up: [Bool] = [true, true], waiting: [Int]? = nil
    ) -> Daemon {
        var queue = MissingCopyGauges()
        if let waiting {
            queue.lookedAt = 900
            for (name, count) in zip(["a", "b"], waiting) where count > 0 {
                queue.servers[name] = .init(waiting: count, oldestArrival: 800)
            }
        }
        var snapshot = HubSnapshotTests.snapshot(up: up, queue: queue)
        snapshot.host = host
        return Daemon(host: host, daemon: .milter, answer: .status(snapshot.status))
    }

    static func proxy(_ host: String = "a", skipped: Set<String> = [], isStopping: Bool = false) -> Daemon {
        var snapshot = ProxySnapshotTests.snapshot(skipped: skipped, isStopping: isStopping)
        snapshot.host = host
        return Daemon(host: host, daemon: .pop3d, answer: .status(snapshot.status))
    }

    static func silent(_ host: String, _ daemon: DaemonStatus.Daemon) -> Daemon {
        Daemon(host: host, daemon: daemon, answer: .none("127.0.0.1:1: Connection refused"))
    }

    static func remote(_ host: String, _ daemon: DaemonStatus.Daemon) -> Daemon {
        Daemon(host: host, daemon: daemon, answer: .notAsked("loopback"))
    }

    static func status(
        _ daemons: [Daemon], down: Set<String> = [], probe: ClusterStatus.ProbeResult = .answered
    ) -> ClusterStatus {
        ClusterStatus(daemons: daemons, servers: ["a", "b"]) { server, _ in
            down.contains(server) ? .noAnswer("Connection refused") : probe
        }
    }

    @Test func `everything up is 0`() {
        #expect(Self.status([Self.hub(), Self.proxy()]).exitStatus == 0)
    }

    @Test(
        arguments: [
            [hub(up: [true, false]), proxy()], [hub(), proxy(skipped: ["b"])], [hub(waiting: [0, 3]), proxy()],
            [hub(), silent("mh2", .milter), proxy()], [hub(), proxy(), proxy("b", isStopping: true)],
            [hub(), remote("mh2", .milter), proxy(skipped: ["b"])],
        ])
    func `anything that is not as it should be is 1`(daemons: [Daemon]) {
        #expect(Self.status(daemons).exitStatus == 1)
    }

    @Test(
        arguments: [
            // No hub, no proxy.
            [silent("mh1", .milter), proxy()], [hub(), silent("a", .pop3d), proxy("b", isStopping: true)],
            // No mailbox server, by what hubs or proxies say.
            [hub(up: [false, false]), proxy()], [hub(), proxy(skipped: ["a", "b"])],
            [hub(up: [false, false]), remote("mh2", .milter), proxy()],
        ])
    func `no hub, no proxy or no mailbox server is 2`(daemons: [Daemon]) {
        #expect(Self.status(daemons).exitStatus == 2)
    }

    @Test func `where no daemon could be asked the servers' ports decide`() {
        let daemons = [Self.remote("mh1", .milter), Self.remote("a", .pop3d)]
        #expect(Self.status(daemons).exitStatus == 0)
        #expect(Self.status(daemons, down: ["b"]).exitStatus == 1)
        #expect(Self.status(daemons, down: ["a", "b"]).exitStatus == 2)
    }

    @Test func `a port that cannot be reached from here says nothing against what the daemons say`() {
        // Port 24 is for the hubs and proxies only, as README asks for.
        #expect(Self.status([Self.hub(), Self.proxy()], down: ["a", "b"]).exitStatus == 0)
    }

    @Test func `hubs that disagree about a server leave it partly down`() throws {
        let status = Self.status([Self.hub(), Self.hub("mh2", up: [true, false]), Self.proxy()])
        #expect(status.servers[1].delivery == .partlyDown(for: ["mh2"], reason: "Connection refused"))
        #expect(status.exitStatus == 1)
    }

    @Test func `copies waiting are those of all hubs that tell`() {
        #expect(
            Self.status([Self.hub(waiting: [0, 3]), Self.hub("mh2", waiting: [1, 4])]).servers.map(\.waiting) == [1, 7])
        #expect(Self.status([Self.hub()]).servers.map(\.waiting) == [nil, nil])
    }

    @Test func `the table says all of it`() {
        let status = Self.status([
            Self.hub(up: [true, false], waiting: [0, 3]), Self.silent("mh2", .milter), Self.proxy(),
            Self.remote("b", .pop3d),
        ])
        #expect(
            status.table == """
                The cluster is degraded.

                HOST  DAEMON        STATE      REMARKS
                mh1   covey-milter  degraded   mailbox server b does not answer: Connection refused
                                               missing copies that wait for b: 3
                mh2   covey-milter  no answer  127.0.0.1:1: Connection refused
                a     covey-pop3d   ok         up for 25 min, sessions 0, logins 0
                b     covey-pop3d   not asked  loopback

                SERVER  DELIVERY  POP3  COPIES WAITING  REMARKS
                a       up        up    0
                b       down      up    3               delivery from mh1: Connection refused

                """)
    }

    @Test func `the JSON says all of it`() throws {
        let text = Self.status([Self.hub(up: [true, false]), Self.remote("b", .pop3d)]).json
        let value = try #require(JSONValue(text.utf8))
        #expect(value["state"]?.string == "degraded")
        #expect(value["daemons"]?.array?.map { $0["state"]?.string } == ["degraded", "not asked"])
        #expect(value["daemons"]?.array?.first?["figures"]?["deliveries"]?.number == 3)
        #expect(value["servers"]?.array?.map { $0["delivery"]?.string } == ["up", "down"])
        #expect(value["servers"]?.array?.map { $0["pop3"]?.string } == ["up", "up"])
        #expect(value["servers"]?.array?.map { $0["copies_waiting"] } == [.null, .null])
    }
}
