/// The DNS records of a cluster (design §8 `[dns]`): how senders find its hubs, and mail programs its proxies.
public struct ClusterRecords: Sendable, Equatable {
    /// Absolute, lower-case.
    public var zone: String
    /// Seconds.
    public var ttl: Int
    /// In the order in which they are shown.
    public var sets: [DNSRecordSet]
    /// Of the name that mail programs use: both its types belong to the cluster, even the one that has no record.
    public var popName: String

    /// A place that is asked whether anybody answers.
    public enum Place: Sendable, Hashable {
        /// By name.
        case hub(String)
        /// By address: each one counts for itself, because a mail program takes one of them.
        case proxy(IPAddress)
    }

    /// - Parameter silent: those of which it was found that they do not answer, with the reason. They are left out, unless
    ///   that would leave no hub, or no proxy: then all stay, because a name without addresses helps nobody, and it may be
    ///   the asking host that has lost its network.
    /// - Throws: every problem in words, with the remedy.
    public init(_ configuration: ClusterConfiguration, silent: [Place: String] = [:]) throws(Problems) {
        guard let zone = configuration.dns.zone else {
            throw Problems(lines: [
                "dns.zone is not set: write the zone that the host names are in, such as zone = \"example.com\""
            ])
        }
        let builder = Builder(configuration: configuration, zone: zone, silent: silent)
        guard builder.problems.isEmpty else { throw Problems(lines: builder.problems) }
        self.zone = zone
        ttl = configuration.dns.ttl
        popName = builder.popName
        sets = builder.mailExchangers + builder.hosts + builder.popAddresses + builder.services
    }

    public struct Problems: Error, Equatable, CustomStringConvertible {
        public var lines: [String]
        public var description: String { lines.joined(separator: "\n") }
    }

    /// The sets of names in that zone.
    public func sets(in zone: String) -> [DNSRecordSet] { sets.filter { DNSName.isIn($0.key.name, zone: zone) } }
}

private struct Builder {
    let configuration: ClusterConfiguration
    let zone: String
    let silent: [ClusterRecords.Place: String]

    func host(_ name: String) -> String { "\(name).\(zone)" }
    var popName: String { host(configuration.dns.popName) }

    var problems: [String] {
        let name = configuration.dns.popName
        let others =
            configuration.hubs.map { ($0.name, "a hub") }
            + configuration.mailboxes.map { ($0.name, "a mailbox server") }
            + configuration.proxies.map { ($0.name, "a proxy") }
        guard let other = others.first(where: { $0.0 == name }) else { return [] }
        return [
            "dns.pop_name \"\(name)\" is the name of \(other.1) too: its addresses would be those of all proxies; "
                + "give one of them another name"
        ]
    }

    var mailExchangers: [DNSRecordSet] {
        let hubs = configuration.hubs.sorted { ($0.preference, $0.name) < ($1.preference, $1.name) }
        let records = hubs.map { hub in
            let others = hubs.filter { $0.preference == hub.preference }.count > 1
            return DNSRecordSet.Record(
                data: .mailExchanger(preference: hub.preference, host: host(hub.name)),
                reason: "hub \(hub.name)"
                    + (others ? ": senders choose among hubs of equal preference at random (RFC 5321 §5.1)" : ""))
        }
        let marked = leavingOut(records) { data in
            guard case .mailExchanger(_, let name) = data else { return nil }
            return hubs.first { host($0.name) == name }.map { .hub($0.name) }
        }
        return configuration.cluster.domains.map { DNSRecordSet(key: .init(name: $0, type: "MX"), records: marked) }
    }

    /// Addresses of hubs and proxies under their own names. They stay when nobody answers: a name is not a promise.
    var hosts: [DNSRecordSet] {
        var names: [(name: String, kinds: [String], addresses: [IPAddress])] = []
        let all =
            configuration.hubs.map { ($0.name, "hub", $0.addresses) }
            + configuration.proxies.map { ($0.name, "proxy", $0.addresses) }
        for (name, kind, addresses) in all {
            let place = names.firstIndex { $0.name == name } ?? names.endIndex
            if place == names.endIndex { names.append((name, [], [])) }
            names[place].kinds.append(kind)
            names[place].addresses += addresses.filter { !names[place].addresses.contains($0) }
        }
        return names.flatMap { name, kinds, addresses in
            let reason = "\(kinds.joined(separator: " and ")) \(name)"
            return sets(host(name), addresses.map { .init(data: .address($0), reason: reason) })
        }
    }

    /// The round-robin set. Addresses, because several CNAME records of one name are forbidden (RFC 2181 §10.1).
    var popAddresses: [DNSRecordSet] {
        var records: [DNSRecordSet.Record] = []
        for proxy in configuration.proxies {
            for address in proxy.addresses where !records.contains(where: { $0.data == .address(address) }) {
                let reason = "proxy \(proxy.name), one of those that mail programs may use"
                records.append(.init(data: .address(address), reason: reason))
            }
        }
        // Of both types together: an address that answers is worth more than a silent one of the other type.
        return sets(
            popName,
            leavingOut(records) { data in
                guard case .address(let address) = data else { return nil }
                return .proxy(address)
            })
    }

    /// RFC 6186: how a mail program finds the proxies of a user's domain by itself.
    var services: [DNSRecordSet] {
        configuration.cluster.domains.flatMap { domain in
            [
                service(
                    "_pop3s", 0, configuration.pop3.port(.tls), "with TLS from the first octet (RFC 8314 §3.3)", domain),
                service("_pop3", 10, configuration.pop3.port(.clear), "that begins in clear", domain),
            ]
        }
    }

    /// - Parameter priority: TLS from the first octet is preferred (RFC 8314 §3).
    private func service(
        _ name: String, _ priority: Int, _ port: Int?, _ what: String, _ domain: String
    ) -> DNSRecordSet {
        let record =
            if let port {
                DNSRecordSet.Record(
                    data: .service(priority: priority, weight: 1, port: port, target: popName),
                    reason: "POP3 \(what) is at port \(port)")
            } else {
                // RFC 6186 §3.4: said, so that no mail program tries.
                DNSRecordSet.Record(
                    data: .service(priority: 0, weight: 0, port: 0, target: ""),
                    reason: "POP3 \(what) is not offered (RFC 6186 §3.4)")
            }
        return DNSRecordSet(key: .init(name: "\(name)._tcp.\(domain)", type: "SRV"), records: [record])
    }

    private func sets(_ name: String, _ records: [DNSRecordSet.Record]) -> [DNSRecordSet] {
        ["A", "AAAA"].compactMap { type in
            let ofType = records.filter { $0.data.type == type }
            return ofType.isEmpty ? nil : DNSRecordSet(key: .init(name: name, type: type), records: ofType)
        }
    }

    /// Leaves out who does not answer, but never all.
    private func leavingOut(
        _ records: [DNSRecordSet.Record], place: (DNSData) -> ClusterRecords.Place?
    ) -> [DNSRecordSet.Record] {
        let silence = records.map { place($0.data).flatMap { silent[$0] } }
        let nobodyAnswers = silence.allSatisfy { $0 != nil }
        return zip(records, silence).map { record, reason in
            guard let reason else { return record }
            var record = record
            record.isLeftOut = !nobodyAnswers
            record.reason +=
                nobodyAnswers
                ? "; it does not answer (\(reason)), but neither does any other: it stays"
                : "; left out, it does not answer (\(reason))"
            return record
        }
    }
}

extension ClusterConfiguration.POP3 {
    public enum Encryption: Sendable { case clear, tls }

    /// The port that mail programs use: the first listener's that they can reach. Where all are on loopback, something in
    /// front of the proxies takes the connections, at the usual ports. Nil where there is no listener of that kind.
    public func port(_ encryption: Encryption) -> Int? {
        let listeners = encryption == .clear ? listen : listenTLS
        guard !listeners.isEmpty else { return nil }
        return listeners.first { IPAddress($0.host)?.isLoopback != true }?.port ?? (encryption == .clear ? 110 : 995)
    }
}
