extension Lab {
    /// Gives a key of the table `[milter]` another value on hubs, and has their milters read it: SIGUSR1. The table is
    /// the last one of the lab's cluster.toml.
    public func setMilter(_ key: String, _ value: String, on hubs: [String]) throws {
        for hub in hubs {
            let file = "/etc/covey/cluster.toml"
            try shell(hub, "sed -i '/^\(key) *=/d' \(file); printf '%s\\n' '\(key) = \(value)' >>\(file)")
            let before = try reloads(of: hub)
            try stop(.milter, on: hub, signal: "USR1")
            try wait(for: "\(hub) to read its configuration", within: 30) { try reloads(of: hub) > before }
        }
    }

    private func reloads(of hub: String) throws -> Int {
        try milterLog(of: hub).split(separator: "\n").count { $0.hasSuffix("configuration reloaded") }
    }

    /// What a hub's milter has logged.
    public func milterLog(of hub: String) throws -> String {
        try exec(hub, "cat", "/var/log/covey-milter.log").text
    }
}
