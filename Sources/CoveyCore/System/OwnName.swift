extension ClusterConfiguration {
    /// The hub that this host is.
    ///
    /// - Parameters:
    ///   - given: `--host`; nil for the machine's own host name, of which the first label counts.
    ///   - file: the configuration's path, for the message.
    public func ownHub(given: String?, file: String) throws(StartFailure) -> Hub {
        try own(hubs, "hub", \.name, given: given, file: file)
    }

    /// The proxy that this host is.
    public func ownProxy(given: String?, file: String) throws(StartFailure) -> Proxy {
        try own(proxies, "proxy", \.name, given: given, file: file)
    }

    /// Whether the machine's own name is that of a hub, and of no proxy.
    public var isHubAlone: Bool {
        let name = Machine.name.lowercased().prefix { $0 != "." }
        return hubs.contains { $0.name == name } && !proxies.contains { $0.name == name }
    }

    private func own<Host>(
        _ hosts: [Host], _ kind: String, _ name: (Host) -> String, given: String?, file: String
    ) throws(StartFailure) -> Host {
        let wanted = (given ?? Machine.name).lowercased().prefix { $0 != "." }
        if let host = hosts.first(where: { name($0) == wanted }) { return host }
        let names = hosts.map(name).joined(separator: ", ")
        let who = given == nil ? "this machine is called \"\(wanted)\", which is" : "--host \(wanted) is"
        throw StartFailure("\(file): \(who) the name of no [[\(kind)]]; name one with --host: \(names)")
    }
}
