/// No two listeners of one host may want the same port.
///
/// covey-milter opens `monitor.listen` and covey-pop3d the port after it (`Monitor.listen(for:)`), so that both can run on
/// one host: one file for all hosts can name the address only once.
struct ListenerRules {
    let configuration: ClusterConfiguration
    let report: ConfigurationReport

    private struct Listener {
        var path: String
        var element: Int?
        var endpoint: Endpoint
        /// Which listener of that key it is, where the key alone does not tell.
        var note = ""
    }

    func check() {
        let pop3 =
            listeners("pop3.listen", configuration.pop3.listen)
            + listeners("pop3.listen_tls", configuration.pop3.listenTLS)
        let monitor =
            report.isSound("monitor.listen")
            ? [monitorListener(.milter), monitorListener(.pop3d, note: " (covey-pop3d's, one above)")] : []
        if let last = monitor.last, last.endpoint.port > 65_535 {
            report.add(
                "monitor.listen",
                Complaint("there is no port above 65535 for covey-pop3d", remedy: "name a lower port, such as 9110"))
        }
        if pop3.isEmpty, report.isSound("pop3.listen", "pop3.listen_tls") {
            report.add(
                "pop3.listen",
                Complaint("there is nothing to listen on", remedy: "write listen = [\"[::]:1100\"], or set listen_tls"))
        }
        collisions(among: pop3 + monitor)
        if let socket = milterSocket() { collisions(among: [socket] + monitor) }
        for listener in pop3 { collisionWithMailbox(listener) }
    }

    private func monitorListener(_ daemon: DaemonStatus.Daemon, note: String = "") -> Listener {
        Listener(
            path: "monitor.listen", element: nil, endpoint: configuration.monitor.listen(for: daemon), note: note)
    }

    private func listeners(_ path: String, _ endpoints: [Endpoint]) -> [Listener] {
        guard report.isSound(path) else { return [] }
        return endpoints.enumerated().map { Listener(path: path, element: $0.offset, endpoint: $0.element) }
    }

    private func milterSocket() -> Listener? {
        let parts = configuration.milter.socket.split(separator: ":", maxSplits: 1)
        guard report.isSound("milter.socket"), let scheme = parts.first, scheme.hasPrefix("inet"),
            let rest = parts.last,
            let at = rest.firstIndex(of: "@"), let port = Int(rest[..<at])
        else { return nil }
        let host = String(rest[rest.index(after: at)...])
        return Listener(path: "milter.socket", element: nil, endpoint: Endpoint(host: host, port: port))
    }

    private func collisions(among listeners: [Listener]) {
        for (index, later) in listeners.enumerated() {
            guard let earlier = listeners[..<index].first(where: { overlap($0.endpoint, later.endpoint) }) else {
                continue
            }
            // The complaint goes where the administrator wrote something.
            let (blamed, other) = report.line(of: later.path) == nil ? (earlier, later) : (later, earlier)
            let place = report.line(of: other.path).map { " in line \($0)" } ?? ", which has its default"
            report.add(
                blamed.path, element: blamed.element,
                Complaint(
                    "\"\(blamed.endpoint)\"\(blamed.note) collides with \"\(other.endpoint)\" of \(other.path)\(other.note)\(place)",
                    remedy: "give one of them another port"))
        }
    }

    /// A proxy beside its mailbox server must leave that server's ports alone.
    private func collisionWithMailbox(_ listener: Listener) {
        for server in configuration.mailboxes {
            for endpoint in [server.pop3, server.delivery] where overlap(listener.endpoint, endpoint) {
                guard let address = endpoint.address,
                    configuration.proxies.contains(where: { $0.addresses.contains(address) })
                else { continue }
                report.add(
                    listener.path, element: listener.element,
                    Complaint(
                        "\"\(listener.endpoint)\" collides with \"\(endpoint)\" of mailbox[\(server.name)] on the same host",
                        remedy: "give the proxy another port, such as 1100"))
                return
            }
        }
    }

    /// Whether a host that listens on one could not listen on the other: `[::]` takes IPv4 too (ipv6(7)).
    private func overlap(_ left: Endpoint, _ right: Endpoint) -> Bool {
        guard left.port == right.port, let one = left.address, let other = right.address else { return false }
        return one == other || covers(one, other) || covers(other, one)
    }

    private func covers(_ wide: IPAddress, _ narrow: IPAddress) -> Bool {
        wide.isUnspecified && (wide.family == .v6 || narrow.family == .v4)
    }
}
