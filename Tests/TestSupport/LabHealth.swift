extension Lab {
    /// Waits until the hubs' milters have noticed that every mailbox server is back.
    ///
    /// Until then an unknown user is put off rather than refused, because not all servers could be asked; a test that
    /// expects 550 after another one has switched a server off and on begins with this.
    public func waitForHubsToSeeAllServers(_ hubs: [String] = ["mh1", "mh2"]) throws {
        for hub in hubs {
            try wait(for: "\(hub) to see all servers", { try downServers(of: hub) }, until: \.isEmpty)
        }
    }

    /// Servers of which the hub's milter last said that they are down.
    private func downServers(of hub: String) throws -> Set<String> {
        let log = try exec(hub, "sh", "-c", "grep -E 'server (up|down)$' /var/log/covey-milter.log || true").text
        var down: Set<String> = []
        for line in log.split(separator: "\n") {
            guard let name = line.split(separator: " ").last(where: { $0.hasPrefix("server=") }) else { continue }
            if line.hasSuffix("down") { down.insert(String(name)) } else { down.remove(String(name)) }
        }
        return down
    }
}
