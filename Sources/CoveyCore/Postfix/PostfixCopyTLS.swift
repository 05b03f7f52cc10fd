/// How a hub's Postfix encrypts missing copies: as the configuration has it for covey-milter's own connections.
extension PostfixSettings {
    /// The transport that takes copies to a server. TLS from the first octet is a setting of a whole client in
    /// Postfix, so that such servers have one of their own.
    static func copyTransport(_ server: ClusterConfiguration.MailboxServer) -> String {
        (server.deliveryProtocol == .lmtp ? "covey-lmtp" : "covey-smtp") + (server.tls == .implicit ? "s" : "")
    }

    /// What the client of these servers needs; nothing where none of them asks for TLS.
    static func copyTLS(
        _ service: String, program: String, _ servers: [ClusterConfiguration.MailboxServer]
    ) -> [PostfixInstruction] {
        guard servers.contains(where: { $0.tls != .none }) else { return [] }
        var options: [PostfixInstruction] = [
            // The table below has a line for each server; whatever it does not know is not sent.
            .option("\(service)/\(program)_tls_security_level", "secure"),
            .option("\(service)/\(program)_tls_policy_maps", table("copy_tls")),
            // The authorities that covey-milter asks, too, where a server has no ca_file.
            .option("\(service)/\(program)_tls_CApath", "/etc/ssl/certs"),
            .option("\(service)/\(program)_tls_mandatory_protocols", "!SSLv2,!SSLv3,!TLSv1,!TLSv1.1"),  // RFC 8996
        ]
        if servers.contains(where: { $0.tls == .implicit }) {
            options.append(.option("\(service)/\(program)_tls_wrappermode", "yes"))
        }
        return options
    }

    /// One line for each server, looked up by next hop: level and whom the certificate must be for.
    ///
    /// Postfix compares names only. For a server that the configuration gives an address, the name in the certificate
    /// must be the server's own: its name with the zone.
    static func copyTLSPolicies(_ configuration: ClusterConfiguration) -> [String] {
        configuration.mailboxes.map { server in
            let place = "\\[\(pattern(server.delivery.host))\\]:\(server.delivery.port)"
            guard server.tls != .none else { return "/^\(place)$/ none" }
            guard server.verify else { return "/^\(place)$/ encrypt" }
            let isAddress = IPAddress(server.delivery.host) != nil
            let name =
                isAddress ? configuration.dns.hostName(server.name) ?? server.name : server.delivery.host
            let authority = server.caFile.map { " tafile=\($0)" } ?? ""
            return "/^\(place)$/ secure match=\(name)\(authority)"
        }
    }
}
