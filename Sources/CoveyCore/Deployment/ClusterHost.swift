/// One machine of the cluster, with all that it is: a hub, a mailbox server and a proxy may be the same machine.
public struct ClusterHost: Sendable, Equatable {
    /// As its first table calls it.
    public var name: String
    /// Of all its tables, each once.
    public var addresses: [IPAddress]
    /// Its name as a hub, mailbox server, proxy; nil for what it is not.
    public var hub: String?
    public var mailbox: String?
    public var proxy: String?
    /// The daemons that have to listen on a port below 1024 there.
    public var daemonsOnLowPorts: [String] = []
}

/// A file that cluster.toml names.
public struct NamedFile: Sendable, Equatable {
    public enum Reader: String, Sendable {
        case everyDaemon = "all"
        case proxies = "proxy"
    }

    /// The key that names it, as `cluster.key_file`.
    public var key: String
    /// Absolute.
    public var path: String
    public var readBy: Reader
    /// Whether it must be kept from other users.
    public var isSecret: Bool
}

extension ClusterConfiguration {
    /// Every machine once, mailbox servers first, hubs last: a hub that comes up finds the servers it stores on.
    ///
    /// Two tables of different kinds are about one machine when they have a name or an address in common.
    public var clusterHosts: [ClusterHost] {
        var hosts: [ClusterHost] = []
        for server in mailboxes { ClusterConfiguration.add(server.name, server.addresses, \.mailbox, to: &hosts) }
        for proxy in proxies { ClusterConfiguration.add(proxy.name, proxy.addresses, \.proxy, to: &hosts) }
        for hub in hubs { ClusterConfiguration.add(hub.name, hub.addresses, \.hub, to: &hosts) }
        for index in hosts.indices {
            if hosts[index].hub != nil, milterPort.map(ClusterConfiguration.isLow) ?? false {
                hosts[index].daemonsOnLowPorts.append("covey-milter")
            }
            let listeners = pop3.listen + pop3.listenTLS
            if hosts[index].proxy != nil, listeners.contains(where: { ClusterConfiguration.isLow($0.port) }) {
                hosts[index].daemonsOnLowPorts.append("covey-pop3d")
            }
        }
        return hosts
    }

    /// The files that the configuration names and that its hosts need, each once.
    public var namedFiles: [NamedFile] {
        var files = [NamedFile(key: "cluster.key_file", path: cluster.keyFile, readBy: .everyDaemon, isSecret: true)]
        files.append(
            NamedFile(key: "journal.password_file", path: journal.passwordFile, readBy: .proxies, isSecret: true))
        for server in mailboxes {
            guard let path = server.caFile, !files.contains(where: { $0.path == path }) else { continue }
            files.append(
                NamedFile(key: "mailbox[\(server.name)].ca_file", path: path, readBy: .everyDaemon, isSecret: false))
        }
        if let path = pop3.certificate {
            files.append(NamedFile(key: "pop3.certificate", path: path, readBy: .proxies, isSecret: false))
        }
        if let path = pop3.privateKey {
            files.append(NamedFile(key: "pop3.private_key", path: path, readBy: .proxies, isSecret: true))
        }
        return files
    }

    /// Both as text for programs: one record a line, fields between tabs, described in covey(1).
    public var hostListing: String {
        var lines = clusterHosts.map { host in
            let roles = [("mailbox", host.mailbox), ("proxy", host.proxy), ("hub", host.hub)]
            return [
                "host", host.name, host.addresses[0].description,
                roles.compactMap { kind, name in name.map { "\(kind)=\($0)" } }.joined(separator: ","),
                host.daemonsOnLowPorts.isEmpty ? "-" : host.daemonsOnLowPorts.joined(separator: ","),
            ].joined(separator: "\t")
        }
        lines += namedFiles.map {
            ["file", $0.key, $0.readBy.rawValue, $0.isSecret ? "secret" : "public", $0.path].joined(separator: "\t")
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private static func add(
        _ name: String, _ addresses: [IPAddress], _ role: WritableKeyPath<ClusterHost, String?>,
        to hosts: inout [ClusterHost]
    ) {
        // A table of the same kind is another machine: the loader has seen to names and addresses of their own, but for
        // loopback addresses.
        let place = hosts.firstIndex {
            $0[keyPath: role] == nil && ($0.name == name || !Set($0.addresses).isDisjoint(with: addresses))
        }
        guard let place else {
            var host = ClusterHost(name: name, addresses: addresses)
            host[keyPath: role] = name
            hosts.append(host)
            return
        }
        hosts[place][keyPath: role] = name
        hosts[place].addresses += addresses.filter { !hosts[place].addresses.contains($0) }
    }

    /// Of `inet:PORT@ADDRESS`; nil for a socket in the file system.
    private var milterPort: Int? {
        guard milter.socket.hasPrefix("inet") else { return nil }
        return milter.socket.split(separator: ":").dropFirst().first?.split(separator: "@").first.flatMap { Int($0) }
    }

    /// Ports below 1024 are for root alone, or for who has CAP_NET_BIND_SERVICE (ip(7)).
    private static func isLow(_ port: Int) -> Bool { port < 1024 }
}
