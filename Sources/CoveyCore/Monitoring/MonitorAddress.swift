extension ClusterConfiguration.Monitor {
    /// Where a daemon serves its status: covey-milter at `monitor.listen`, covey-pop3d at the port after it, on every
    /// host, whether both run there or not. One file for all hosts names the address only once.
    public func listen(for daemon: DaemonStatus.Daemon) -> Endpoint {
        switch daemon {
        case .milter: listen
        case .pop3d: Endpoint(host: listen.host, port: listen.port + 1)
        }
    }

    /// Where to ask a daemon from another host, or from its own.
    ///
    /// - Parameters:
    ///   - addresses: the daemon's host's, from the configuration.
    ///   - isHere: whether that is the host that asks.
    /// - Returns: to be tried in this order; none where only the host itself could ask.
    public func endpoints(
        for daemon: DaemonStatus.Daemon, addresses: [IPAddress], isHere: Bool
    ) -> [Endpoint] {
        let port = listen(for: daemon).port
        guard let address = listen.address else { return [] }
        if address.isLoopback { return isHere ? [Endpoint(host: listen.host, port: port)] : [] }
        if address.isUnspecified {
            let reached = addresses.filter { address.family == .v6 || $0.family == .v4 }
            return reached.map { Endpoint(host: $0.description, port: port) }
        }
        // An address of its own, which only one host can have.
        return addresses.contains(address) ? [Endpoint(host: listen.host, port: port)] : []
    }

    /// What to tell where `endpoints` has none.
    public func whyNotAsked(_ daemon: DaemonStatus.Daemon, on host: String) -> String {
        let listen = listen(for: daemon)
        return listen.address?.isLoopback == true
            ? "monitor.listen is loopback only (\(listen)): run covey status on \(host)"
            : "monitor.listen (\(listen)) is not an address of \(host)"
    }
}
