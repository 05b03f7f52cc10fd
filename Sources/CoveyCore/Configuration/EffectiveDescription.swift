extension ClusterConfiguration {
    /// Every value in force as TOML that gives an equal configuration when read again; `# default` stands behind what
    /// the file did not set. Secrets are shown as the names of their files.
    public var effectiveDescription: String {
        var writer = Writer(explicitKeys: explicitKeys)
        writer.table("[cluster]", "cluster")
        writer.key("domains", list(cluster.domains))
        writer.key("key_file", Quoting.toml(cluster.keyFile))
        for (index, hub) in hubs.enumerated() {
            writer.table("[[hub]]", "hub[\(index)]")
            writer.key("name", Quoting.toml(hub.name))
            writer.key("addresses", list(hub.addresses))
            writer.key("preference", "\(hub.preference)")
        }
        for (index, server) in mailboxes.enumerated() {
            writer.table("[[mailbox]]", "mailbox[\(index)]")
            write(server, to: &writer)
        }
        for (index, proxy) in proxies.enumerated() {
            writer.table("[[proxy]]", "proxy[\(index)]")
            writer.key("name", Quoting.toml(proxy.name))
            writer.key("addresses", list(proxy.addresses))
        }
        writer.table("[dns]", "dns")
        writer.key("zone", Quoting.toml(dns.zone ?? ""))
        writer.key("pop_name", Quoting.toml(dns.popName))
        writer.key("ttl", "\(dns.ttl)")
        write(milter, to: &writer)
        write(pop3, to: &writer)
        writer.table("[journal]", "journal")
        writer.key("mailbox", Quoting.toml(journal.mailbox))
        writer.key("password_file", Quoting.toml(journal.passwordFile))
        writer.key("expire", duration(journal.expire))
        writer.key("poll", duration(journal.poll))
        writer.table("[monitor]", "monitor")
        writer.key("listen", Quoting.toml(monitor.listen.description))
        return writer.text
    }

    private func write(_ server: MailboxServer, to writer: inout Writer) {
        writer.key("name", Quoting.toml(server.name))
        writer.key("addresses", list(server.addresses))
        writer.key(server.deliveryProtocol.rawValue, Quoting.toml(server.delivery.description))
        writer.key("pop3", Quoting.toml(server.pop3.description))
        writer.key("tls", Quoting.toml(server.tls.rawValue))
        writer.key("ca_file", Quoting.toml(server.caFile ?? ""))
        writer.key("verify", "\(server.verify)")
    }

    private func write(_ milter: Milter, to writer: inout Writer) {
        writer.table("[milter]", "milter")
        writer.key("socket", Quoting.toml(milter.socket))
        writer.key("delivery", Quoting.toml(milter.delivery.rawValue))
        switch milter.minCopies {
        case .count(let number): writer.key("min_copies", "\(number)")
        case .all: writer.key("min_copies", "\"all\"")
        }
        writer.key("connect_timeout", duration(milter.connectTimeout))
        writer.key("delivery_timeout", duration(milter.deliveryTimeout))
        writer.key("spool_limit", Quoting.toml(Units.text(octets: milter.spoolLimit)))
        writer.key("leave_to_mta", list(milter.leaveToMTA))
        writer.key("reject_unknown", "\(milter.rejectUnknown)")
        writer.key("user", Quoting.toml(milter.user))
        writer.key("flush_command", list(milter.flushCommand))
    }

    private func write(_ pop3: POP3, to writer: inout Writer) {
        writer.table("[pop3]", "pop3")
        writer.key("listen", list(pop3.listen))
        writer.key("listen_tls", list(pop3.listenTLS))
        writer.key("certificate", Quoting.toml(pop3.certificate ?? ""))
        writer.key("private_key", Quoting.toml(pop3.privateKey ?? ""))
        writer.key("auth", Quoting.toml(pop3.auth.rawValue))
        writer.key("login_timeout", duration(pop3.loginTimeout))
        writer.key("default_domain", Quoting.toml(pop3.defaultDomain ?? ""))
        writer.key("max_connections", "\(pop3.maxConnections)")
        writer.key("proxy_protocol_from", list(pop3.proxyProtocolFrom))
        writer.key("heal_after", duration(pop3.healAfter))
        writer.key("user", Quoting.toml(pop3.user))
    }

    private func duration(_ value: Duration) -> String { Quoting.toml(Units.text(value)) }

    private func list(_ values: [some CustomStringConvertible]) -> String {
        "[" + values.map { Quoting.toml($0.description) }.joined(separator: ", ") + "]"
    }
}

private struct Writer {
    let explicitKeys: Set<String>
    private(set) var text = ""
    private var path = ""

    init(explicitKeys: Set<String>) { self.explicitKeys = explicitKeys }

    mutating func table(_ header: String, _ path: String) {
        if !text.isEmpty { text += "\n" }
        text += "\(header)\n"
        self.path = path
    }

    mutating func key(_ key: String, _ value: String) {
        let mark = explicitKeys.contains("\(path).\(key)") ? "" : "  # default"
        text += "\(key) = \(value)\(mark)\n"
    }
}
