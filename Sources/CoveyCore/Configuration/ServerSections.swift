/// Reads `[[hub]]`, `[[mailbox]]` and `[[proxy]]`.
enum ServerSections {
    private static var addressList: ValueKind<[IPAddress]> { .list(of: .address, allowEmpty: false) }

    static func hubs(_ sections: Sections) -> [ClusterConfiguration.Hub] {
        let readers = sections.list("hub")
        requireSome(sections, readers, "hub", "a host that takes mail in")
        let hubs = readers.map { reader in
            ClusterConfiguration.Hub(
                name: reader.mandatory("name", .serverName(example: "mh1")) ?? "",
                addresses: reader.mandatory("addresses", addressList) ?? [],
                preference: reader.value("preference", .integer(0...65535, example: 10), default: 10))
        }
        checkIdentity(hubs.map { ($0.name, $0.addresses) }, readers: readers)
        return hubs
    }

    static func mailboxes(_ sections: Sections, files: FileReader) -> [ClusterConfiguration.MailboxServer] {
        let readers = sections.list("mailbox")
        requireSome(sections, readers, "mailbox", "a server that keeps mail")
        let servers = readers.map { mailbox($0, files: files) }
        checkIdentity(servers.map { ($0.name, $0.addresses) }, readers: readers)
        return servers
    }

    private static func mailbox(_ reader: TableReader, files: FileReader) -> ClusterConfiguration.MailboxServer {
        let name = reader.mandatory("name", .serverName(example: "a")) ?? ""
        let addresses = reader.mandatory("addresses", addressList) ?? []
        let first = addresses.first?.description ?? ""
        let lmtp = reader.value("lmtp", .endpoint(example: "192.0.2.21:24", port: 24))
        let smtp = reader.value("smtp", .endpoint(example: "192.0.2.21:25", port: 25))
        if reader.has("lmtp"), reader.has("smtp") {
            reader.complain(
                "smtp",
                Complaint("lmtp is given too", remedy: "remove one of them; lmtp is the better one where both work"))
        }
        let tls = reader.value("tls", .word(example: ClusterConfiguration.MailboxServer.TLSMode.none), default: .none)
        let caFile = path(reader, "ca_file", example: "/etc/ssl/certs/our-ca.pem", files: files)
        do throws(Complaint) { try files.requireReadable(caFile, .authorityFiles) } catch {
            reader.complain("ca_file", error)
        }
        // With TLS from the first octet the port is another one (RFC 8314 §3.3).
        let pop3 = reader.value(
            "pop3", .endpoint(example: "192.0.2.21:110", port: 110),
            default: Endpoint(host: first, port: tls == .implicit ? 995 : 110))
        return ClusterConfiguration.MailboxServer(
            name: name,
            addresses: addresses,
            deliveryProtocol: smtp == nil ? .lmtp : .smtp,
            delivery: lmtp ?? smtp ?? Endpoint(host: first, port: 24),
            pop3: pop3,
            tls: tls,
            caFile: caFile,
            verify: reader.value("verify", .boolean(example: true), default: true))
    }

    /// One proxy for each mailbox server, unless the file lists them.
    static func proxies(
        _ sections: Sections, mailboxes: [ClusterConfiguration.MailboxServer]
    ) -> [ClusterConfiguration.Proxy] {
        guard sections.has("proxy") else {
            return mailboxes.map { ClusterConfiguration.Proxy(name: $0.name, addresses: $0.addresses) }
        }
        let readers = sections.list("proxy")
        let proxies = readers.map { reader in
            ClusterConfiguration.Proxy(
                name: reader.mandatory("name", .serverName(example: "a")) ?? "",
                addresses: reader.mandatory("addresses", addressList) ?? [])
        }
        if proxies.isEmpty, sections.report.isSound("proxy") {
            sections.report.add(
                "proxy",
                Complaint(
                    "is an empty list",
                    remedy: "remove it (then every mailbox server has a proxy) or add [[proxy]] tables"))
        }
        checkIdentity(proxies.map { ($0.name, $0.addresses) }, readers: readers)
        return proxies
    }

    private static func requireSome(_ sections: Sections, _ readers: [TableReader], _ name: String, _ what: String) {
        guard sections.report.isSound(name), readers.isEmpty else { return }
        sections.report.add(
            name, Complaint("there is none", remedy: "add a [[\(name)]] table for \(what), with name and addresses"))
    }

    /// Names and addresses must tell the servers of one kind apart. Loopback addresses may be shared: that is how a
    /// cluster is tried out on one machine.
    private static func checkIdentity(_ servers: [(name: String, addresses: [IPAddress])], readers: [TableReader]) {
        var nameOwners: [String: TableReader] = [:]
        var addressOwners: [IPAddress: Int] = [:]
        for (index, (server, reader)) in zip(servers, readers).enumerated() {
            if let owner = nameOwners[server.name], !server.name.isEmpty {
                let line = owner.report.line(of: "\(owner.path).name").map { " in line \($0)" } ?? ""
                reader.complain(
                    "name",
                    Complaint(
                        "\"\(server.name)\" is taken by the table\(line)", remedy: "give each server its own name"))
            }
            if nameOwners[server.name] == nil { nameOwners[server.name] = reader }
            for (position, address) in server.addresses.enumerated() {
                if let owner = addressOwners[address], owner == index {
                    reader.complain(
                        "addresses", element: position,
                        Complaint("\"\(address)\" is listed twice", remedy: "remove one"))
                } else if let owner = addressOwners[address], !address.isLoopback {
                    reader.complain(
                        "addresses", element: position,
                        Complaint(
                            "\"\(address)\" is an address of \(readers[owner].shown) too",
                            remedy: "give each server its own addresses"))
                }
                if addressOwners[address] == nil { addressOwners[address] = index }
            }
        }
    }

    /// An absolute path; nil for a key that is absent or empty.
    static func path(_ reader: TableReader, _ key: String, example: String, files: FileReader) -> String? {
        guard let text = reader.value(key, .text(example: "\"\(example)\"")), !text.isEmpty else { return nil }
        return files.absolute(text)
    }
}
