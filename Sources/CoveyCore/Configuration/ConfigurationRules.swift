/// What must hold between the values of a configuration. Values that were complained about are left alone.
struct ConfigurationRules {
    let configuration: ClusterConfiguration
    let report: ConfigurationReport

    func check() {
        copies()
        for (index, server) in configuration.mailboxes.enumerated() { endpoints(of: server, index: index) }
        sharedEndpoints()
        ListenerRules(configuration: configuration, report: report).check()
        certificate()
        domains()
        journal()
    }

    private func copies() {
        guard case .count(let wanted) = configuration.milter.minCopies else { return }
        let count = configuration.mailboxes.count
        guard report.isSound("milter.min_copies", "mailbox"), wanted > count else { return }
        report.add(
            "milter.min_copies",
            Complaint(
                "\(wanted) is more than there are mailbox servers (\(count))",
                remedy: "write at most \(count), or \"all\""))
    }

    private func shown(_ index: Int) -> String {
        let name = configuration.mailboxes[index].name
        return "mailbox[\(name.isEmpty ? "\(index + 1)" : name)]"
    }

    /// A server's endpoints, where the file gives them as addresses, must fit the server's own addresses.
    private func endpoints(of server: ClusterConfiguration.MailboxServer, index: Int) {
        let path = "mailbox[\(index)]"
        guard report.isSound("\(path).addresses"), !server.addresses.isEmpty else { return }
        for (key, endpoint) in [(server.deliveryProtocol.rawValue, server.delivery), ("pop3", server.pop3)] {
            guard report.explicitKeys.contains("\(path).\(key)"), report.isSound("\(path).\(key)"),
                let address = endpoint.address
            else { continue }
            let own = server.addresses.map(\.description).joined(separator: ", ")
            let complaint: Complaint
            if address.isUnspecified {
                complaint = Complaint(
                    "\"\(endpoint)\" is no address to connect to", remedy: "write an address of the server (\(own))")
            } else if !server.addresses.contains(where: { $0.family == address.family }) {
                let family = address.family == .v4 ? "IPv4" : "IPv6"
                complaint = Complaint(
                    "\"\(endpoint)\" is of the wrong family: the server has no \(family) address",
                    remedy: "add \"\(address)\" to its addresses, or use one of them (\(own))")
            } else if address.isLoopback, !server.addresses.contains(where: \.isLoopback) {
                complaint = Complaint(
                    "\"\(endpoint)\" is a loopback address: every host would reach itself",
                    remedy: "write an address of the server (\(own))")
            } else {
                continue
            }
            report.add("\(path).\(key)", shown: "\(shown(index)).\(key)", complaint)
        }
    }

    /// Two names for one server would count one stored copy twice.
    private func sharedEndpoints() {
        var delivery: [Endpoint: Int] = [:]
        var reading: [Endpoint: Int] = [:]
        for (index, server) in configuration.mailboxes.enumerated() {
            let path = "mailbox[\(index)]"
            guard report.isSound("\(path).addresses") else { continue }
            let key = server.deliveryProtocol.rawValue
            if let other = delivery[server.delivery], report.isSound("\(path).\(key)") {
                report.add(
                    "\(path).\(key)", shown: "\(shown(index)).\(key)",
                    Complaint(
                        "\"\(server.delivery)\" is where \(shown(other)) takes its mail too",
                        remedy: "one copy there would count as two: give each server its own"))
            }
            if let other = reading[server.pop3], report.isSound("\(path).pop3") {
                report.add(
                    "\(path).pop3", shown: "\(shown(index)).pop3",
                    Complaint(
                        "\"\(server.pop3)\" is where \(shown(other)) is read too", remedy: "give each server its own"))
            }
            delivery[server.delivery] = delivery[server.delivery] ?? index
            reading[server.pop3] = reading[server.pop3] ?? index
        }
    }

    private func certificate() {
        let pop3 = configuration.pop3
        guard report.isSound("pop3.certificate", "pop3.private_key") else { return }
        if !pop3.listenTLS.isEmpty, pop3.certificate == nil {
            report.add(
                "pop3.listen_tls",
                Complaint(
                    "needs a certificate", remedy: "set pop3.certificate and pop3.private_key, or remove listen_tls"))
        }
        if pop3.certificate != nil, pop3.privateKey == nil {
            report.add("pop3.certificate", Complaint("has no private key", remedy: "set pop3.private_key too"))
        }
        if pop3.certificate == nil, pop3.privateKey != nil {
            report.add("pop3.private_key", Complaint("has no certificate", remedy: "set pop3.certificate too"))
        }
    }

    private func domains() {
        let domains = configuration.cluster.domains
        guard report.isSound("cluster.domains", "cluster") else { return }
        let list = domains.joined(separator: ", ")
        if let added = configuration.pop3.defaultDomain, report.isSound("pop3.default_domain"), !domains.contains(added)
        {
            report.add(
                "pop3.default_domain",
                Complaint("\"\(added)\" is no domain of the cluster", remedy: "write one of cluster.domains (\(list))"))
        }
        let journal = configuration.journal.mailbox
        let domain = journal.split(separator: "@").last.map(String.init) ?? ""
        if report.isSound("journal.mailbox"), !domains.contains(domain) {
            report.add(
                "journal.mailbox",
                Complaint(
                    "\"\(journal)\" is in no domain of the cluster", remedy: "use one of cluster.domains (\(list))"))
        }
    }

    private func journal() {
        let journal = configuration.journal
        guard report.isSound("journal.expire", "journal.poll"), journal.expire <= journal.poll else { return }
        report.add(
            "journal.expire",
            Complaint(
                "\"\(Units.text(journal.expire))\" is not longer than journal.poll (\(Units.text(journal.poll)))",
                remedy: "entries would go before they are read: write twice the time that the MTA keeps mail, \"10d\""))
    }
}
