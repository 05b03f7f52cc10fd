extension Endpoint {
    /// Takes `192.0.2.1`, `2001:db8::1`, `host.example.com`, each with or without a port (`[2001:db8::1]:53`); nil for
    /// anything else.
    public init?(_ text: String, defaultPort: Int) {
        if IPAddress(text) != nil || Names.isHostName(text) {
            self.init(host: text, port: defaultPort)
        } else if let endpoint = try? EndpointSyntax.endpoint(text, examplePort: defaultPort) {
            self = endpoint
        } else {
            return nil
        }
    }
}

/// Reads addresses and `address:port` texts, and says what is wrong with those that are not.
enum EndpointSyntax {
    /// One address of a server: no port, no brackets, not "every address".
    static func address(_ text: String) throws(Complaint) -> IPAddress {
        let quoted = Quoting.toml(text)
        guard let address = IPAddress(text) else {
            if let endpoint = try? endpoint(text, examplePort: 110) {
                throw Complaint("\(quoted) has a port", remedy: "write only the address, \"\(endpoint.host)\"")
            }
            if text.hasPrefix("["), text.hasSuffix("]"), let inner = IPAddress(String(text.dropFirst().dropLast())) {
                throw Complaint("\(quoted) has brackets", remedy: "write \"\(inner)\"")
            }
            throw Complaint(
                "\(quoted) is no IP address",
                remedy: "write an address such as \"192.0.2.1\" or \"2001:db8::1\", not a name")
        }
        if address.isUnspecified {
            throw Complaint("\(quoted) means every address", remedy: "write the server's own address")
        }
        try refuseMapped(address)
        return address
    }

    /// `192.0.2.1:24`, `[2001:db8::1]:24` or `host.example.com:24`.
    static func endpoint(_ text: String, examplePort: Int) throws(Complaint) -> Endpoint {
        let quoted = Quoting.toml(text)
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else {
                throw Complaint("\(quoted) lacks the closing bracket", remedy: "write \"[ADDRESS]:\(examplePort)\"")
            }
            let inner = String(text[text.index(after: text.startIndex)..<close])
            let rest = text[text.index(after: close)...]
            guard let address = IPAddress(inner) else {
                throw Complaint(
                    "\(quoted) has no IPv6 address in its brackets",
                    remedy: "write one such as \"[2001:db8::1]:\(examplePort)\"")
            }
            if address.family == .v4 {
                throw Complaint(
                    "\(quoted) has an IPv4 address in brackets, which are for IPv6",
                    remedy: "write \"\(address)\(rest.isEmpty ? ":\(examplePort)" : String(rest))\"")
            }
            try refuseMapped(address)
            guard rest.hasPrefix(":") else {
                throw Complaint("\(quoted) has no port", remedy: "write \"[\(address)]:\(examplePort)\"")
            }
            return Endpoint(host: address.description, port: try port(rest.dropFirst(), of: quoted))
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count > 2 { throw unbracketed(text, examplePort: examplePort) }
        guard parts.count == 2, let first = parts.first, let last = parts.last else {
            if IPAddress(text) != nil || Names.isHostName(text) {
                throw Complaint("\(quoted) has no port", remedy: "write \"\(text):\(examplePort)\"")
            }
            throw Complaint("\(quoted) is no address with a port", remedy: "write \"192.0.2.1:\(examplePort)\"")
        }
        let number = try port(last, of: quoted)
        if let address = IPAddress(String(first)) { return Endpoint(host: address.description, port: number) }
        guard Names.isHostName(String(first)) else {
            throw Complaint(
                "\(quoted) begins with neither an IP address nor a host name",
                remedy: "write ADDRESS:PORT, such as \"192.0.2.1:\(examplePort)\"")
        }
        return Endpoint(host: first.lowercased(), port: number)
    }

    /// Where a daemon listens: an address, never a name.
    static func listener(_ text: String, examplePort: Int) throws(Complaint) -> Endpoint {
        let quoted = Quoting.toml(text)
        if let number = Int(text), (1...65535).contains(number) {
            throw Complaint("\(quoted) has no address", remedy: "write \"[::]:\(number)\" for every address")
        }
        if text.hasPrefix("*:") || text.hasPrefix(":") {
            throw Complaint(
                "\(quoted) has no address",
                remedy: "write \"[::]:\(text.split(separator: ":").last ?? "")\" for every address")
        }
        let endpoint = try endpoint(text, examplePort: examplePort)
        guard endpoint.address != nil else {
            throw Complaint(
                "\(quoted) names a host",
                remedy: "write an IP address of this host, or \"[::]:\(endpoint.port)\" for every one")
        }
        return endpoint
    }

    static func port(_ text: some StringProtocol, of quoted: String) throws(Complaint) -> Int {
        guard !text.isEmpty, text.allSatisfy({ $0.isASCII && $0.isNumber }) else {
            throw Complaint("\(quoted) has no number behind the colon", remedy: "write a port from 1 to 65535")
        }
        guard let number = Int(text), (1...65535).contains(number) else {
            throw Complaint("port \(text) in \(quoted) is out of range", remedy: "write a port from 1 to 65535")
        }
        return number
    }

    /// `2001:db8::1:24` can mean an address or an address with a port: brackets decide.
    private static func unbracketed(_ text: String, examplePort: Int) -> Complaint {
        let quoted = Quoting.toml(text)
        if let colon = text.lastIndex(of: ":"), let address = IPAddress(String(text[..<colon])),
            let number = Int(text[text.index(after: colon)...]), (1...65535).contains(number)
        {
            return Complaint("\(quoted) is IPv6 without brackets", remedy: "write \"[\(address)]:\(number)\"")
        }
        if let address = IPAddress(text) {
            return Complaint(
                "\(quoted) is IPv6 without brackets and port", remedy: "write \"[\(address)]:\(examplePort)\"")
        }
        return Complaint(
            "\(quoted) is no address with a port",
            remedy: "write \"192.0.2.1:\(examplePort)\" or \"[2001:db8::1]:\(examplePort)\"")
    }

    /// `::ffff:192.0.2.1` is an IPv4 address that would be published and compared as IPv6.
    private static func refuseMapped(_ address: IPAddress) throws(Complaint) {
        let prefix = "::ffff:"
        if address.family == .v6, address.description.hasPrefix(prefix),
            let inner = IPAddress(String(address.description.dropFirst(prefix.count)))
        {
            throw Complaint(
                "\"\(address)\" is an IPv4 address written as IPv6", remedy: "write \"\(inner)\"")
        }
    }
}

extension IPAddress {
    /// 0.0.0.0 or ::
    var isUnspecified: Bool { description == "0.0.0.0" || description == "::" }
    /// 127.0.0.0/8 or ::1
    var isLoopback: Bool { family == .v4 ? description.hasPrefix("127.") : description == "::1" }
}

extension Endpoint {
    /// The host, where it is an address and not a name.
    var address: IPAddress? { IPAddress(host) }
}
