extension ClusterConfiguration {
    /// The file by which Thunderbird and others set up a user's account (Mozilla's config-v1.1.xml), to be served as
    /// `http://autoconfig.DOMAIN/mail/config-v1.1.xml` or `https://DOMAIN/.well-known/autoconfig/mail/config-v1.1.xml`.
    ///
    /// Nil where the configuration has no zone, and the hosts therefore no names.
    public var autoconfig: String? {
        guard let pop = dns.hostName(dns.popName) else { return nil }
        let domains = cluster.domains
        var lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<clientConfig version=\"1.1\">"]
        lines.append("  <emailProvider id=\"\(domains[0])\">")
        lines += domains.map { "    <domain>\($0)</domain>" }
        lines += ["    <displayName>\(domains[0])</displayName>"]
        lines += ["    <displayShortName>\(domains[0])</displayShortName>"]
        // The first that works is taken: TLS from the first octet before STLS before clear text (RFC 8314 §3).
        if let port = pop3.port(.tls) { lines += server("incoming", "pop3", pop, port, "SSL") }
        if let port = pop3.port(.clear) {
            lines += server("incoming", "pop3", pop, port, pop3.certificate == nil ? "plain" : "STARTTLS")
        }
        lines.append(
            "    <!-- Submission is the hubs' MTA's business: see that it listens on port 587 with STARTTLS. -->")
        let byPreference = hubs.sorted { ($0.preference, $0.name) < ($1.preference, $1.name) }
        for hub in byPreference {
            lines += server("outgoing", "smtp", dns.hostName(hub.name) ?? hub.name, 587, "STARTTLS")
        }
        lines += ["  </emailProvider>", "</clientConfig>"]
        return lines.map { $0 + "\n" }.joined()
    }

    private func server(_ kind: String, _ type: String, _ host: String, _ port: Int, _ socket: String) -> [String] {
        [
            "    <\(kind)Server type=\"\(type)\">",
            "      <hostname>\(host)</hostname>",
            "      <port>\(port)</port>",
            "      <socketType>\(socket)</socketType>",
            "      <username>%EMAILADDRESS%</username>",
            "      <authentication>password-cleartext</authentication>",
            "    </\(kind)Server>",
        ]
    }
}
