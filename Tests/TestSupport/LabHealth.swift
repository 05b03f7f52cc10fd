import Foundation

extension Lab {
    /// Waits until the hubs' milters have noticed that every mailbox server is back.
    ///
    /// Until then an unknown user is put off rather than refused, because not all servers could be asked; a test that
    /// expects 550 after another one has switched a server off and on begins with this.
    public func waitForHubsToSeeAllServers(_ hubs: [String] = ["mh1", "mh2"]) throws {
        for hub in hubs {
            try wait(for: "\(hub) to see all servers", within: 60, { try serversSeen(by: hub) }) {
                !$0.isEmpty && $0.values.allSatisfy(\.self)
            }
        }
    }

    /// What a daemon says of itself at `/status.json`, asked on its own host.
    ///
    /// - Parameter port: 9110 for covey-milter, 9111 for covey-pop3d.
    public func status(of host: String, port: Int) throws -> [String: Any] {
        let text = try exec(host, "curl", "-s", "--max-time", "5", "http://127.0.0.1:\(port)/status.json")
        return try JSONSerialization.jsonObject(with: Data(text.octets)) as? [String: Any] ?? [:]
    }

    /// By name, whether a hub takes the mailbox server for up. Its log tells of changes only: not of a milter that was
    /// killed while a server was down.
    private func serversSeen(by hub: String) throws -> [String: Bool] {
        let servers = try status(of: hub, port: 9110)["servers"] as? [[String: Any]] ?? []
        return servers.reduce(into: [:]) { seen, server in
            if let name = server["name"] as? String { seen[name] = server["up"] as? Bool }
        }
    }
}
