/// Reads the tables that come once: `[cluster]`, `[dns]`, `[milter]`, `[pop3]`, `[journal]`, `[monitor]`.
enum DaemonSections {
    static func cluster(_ sections: Sections, files: FileReader) -> ClusterConfiguration.Cluster {
        if !sections.has("cluster") {
            sections.report.add(
                "cluster", Complaint("is missing", remedy: "add a [cluster] table with domains = [\"example.com\"]"))
        }
        let isThere = sections.report.isSound("cluster")
        let reader = sections.single("cluster")
        let list: ValueKind<[String]> = .list(of: .domain, allowEmpty: false)
        let domains = (isThere ? reader.mandatory("domains", list) : nil) ?? []
        for (index, domain) in domains.enumerated() where domains[..<index].contains(domain) {
            reader.complain("domains", element: index, Complaint("\"\(domain)\" is listed twice", remedy: "remove one"))
        }
        let keyFile = files.absolute(
            ServerSections.path(reader, "key_file", example: "cluster.key", files: files) ?? "cluster.key")
        var key: ClusterKey?
        if isThere, sections.report.isSound("cluster.key_file") {
            do throws(Complaint) {
                key = try KeyFile.parse(try files.secret(keyFile))
            } catch {
                let remedy = "make one with: covey keygen \(keyFile)"
                reader.complain("key_file", error.naming(keyFile, missing: remedy, in: files))
            }
        }
        // A stand-in that nobody sees: without a key there is a complaint, and with a complaint no configuration.
        let zeros = [UInt8](repeating: 0, count: ClusterKey.minimumLength)
        return ClusterConfiguration.Cluster(
            domains: domains, keyFile: keyFile, key: key ?? ClusterKey(octets: zeros))
    }

    static func dns(_ sections: Sections) -> ClusterConfiguration.DNS {
        let reader = sections.single("dns")
        let zone = reader.value("zone", emptyOr(.domain)) ?? nil
        return ClusterConfiguration.DNS(
            zone: zone,
            popName: reader.value("pop_name", .label(example: "pop"), default: "pop"),
            // RFC 2181 §8: a TTL has 31 bits.
            ttl: reader.value("ttl", .integer(0...Int(Int32.max), example: 300), default: 300))
    }

    static func milter(_ sections: Sections, files: FileReader) -> ClusterConfiguration.Milter {
        let reader = sections.single("milter")
        let deadline: Duration = .seconds(240)
        return ClusterConfiguration.Milter(
            socket: MilterSocket.read(reader, files: files),
            delivery: reader.value("delivery", .word(example: .direct), default: .direct),
            minCopies: reader.value("min_copies", .minCopies, default: .count(1)),
            connectTimeout: reader.value(
                "connect_timeout",
                .duration(example: "3s", atMost: deadline, because: "the sender would give up"), default: .seconds(3)),
            deliveryTimeout: reader.value(
                "delivery_timeout",
                .duration(example: "30s", atMost: deadline, because: "the sender would give up"),
                default: .seconds(30)),
            spoolLimit: reader.value("spool_limit", .size(example: "2GiB"), default: 2 << 30),
            leaveToMTA: reader.value("leave_to_mta", .list(of: .lookupTable), default: []),
            rejectUnknown: reader.value("reject_unknown", .boolean(example: true), default: false),
            user: reader.value("user", .systemUser, default: "covey"),
            flushCommand: flushCommand(reader))
    }

    private static func flushCommand(_ reader: TableReader) -> [String] {
        let preset = ["postqueue", "-s", "{domain}.{server}.covey.invalid"]
        let kind: ValueKind<[String]> = .list(of: .text(example: "\"postqueue\""), allowEmpty: false)
        guard let words = reader.value("flush_command", kind) else { return preset }
        if words.first?.isEmpty ?? true {
            reader.complain(
                "flush_command", Complaint("its first word is empty", remedy: "write the program's name first"))
        }
        for (index, word) in words.enumerated() {
            let rest = word.split(separator: "{domain}", omittingEmptySubsequences: false).joined()
                .split(separator: "{server}", omittingEmptySubsequences: false).joined()
            if let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
                reader.complain(
                    "flush_command", element: index,
                    Complaint(
                        "\(Quoting.toml(String(rest[open...close]))) is not replaced by anything",
                        remedy: "use {domain} and {server}"))
            }
        }
        return words
    }

    static func pop3(_ sections: Sections, files: FileReader) -> ClusterConfiguration.POP3 {
        let reader = sections.single("pop3")
        let certificate = ServerSections.path(reader, "certificate", example: "/etc/ssl/pop.pem", files: files)
        let privateKey = ServerSections.path(reader, "private_key", example: "/etc/ssl/private/pop.key", files: files)
        CertificateFiles(reader: reader, files: files).check(certificate: certificate, privateKey: privateKey)
        return ClusterConfiguration.POP3(
            listen: reader.value(
                "listen", .list(of: .listener(example: "[::]:1100", port: 1100)),
                default: [Endpoint(host: "::", port: 1100)]),
            listenTLS: reader.value("listen_tls", .list(of: .listener(example: "[::]:995", port: 995)), default: []),
            certificate: certificate,
            privateKey: privateKey,
            auth: reader.value("auth", .word(example: .all), default: .all),
            loginTimeout: reader.value("login_timeout", .duration(example: "5s"), default: .seconds(5)),
            defaultDomain: reader.value("default_domain", emptyOr(.domain)) ?? nil,
            maxConnections: reader.value("max_connections", .integer(1...1_000_000, example: 5000), default: 5000),
            proxyProtocolFrom: reader.value("proxy_protocol_from", .list(of: .address), default: []),
            // Zero is allowed: heal at once.
            healAfter: reader.value("heal_after", .duration(example: "24h", atLeast: .zero), default: .seconds(86400)),
            user: reader.value("user", .systemUser, default: "covey"))
    }

    static func journal(
        _ sections: Sections, domains: [String], files: FileReader
    ) -> ClusterConfiguration.Journal {
        let reader = sections.single("journal")
        let passwordFile = files.absolute(
            ServerSections.path(reader, "password_file", example: "journal.password", files: files)
                ?? "journal.password")
        var password: Secret?
        let isNeeded = files.needs.contains(.journalPassword)
        if sections.report.isSound("journal.password_file"), isNeeded || files.isReadable(passwordFile) {
            do throws(Complaint) {
                password = try files.password(passwordFile)
            } catch {
                let remedy = "write the journal mailbox's password into it, mode 0640, group of the daemon"
                reader.complain("password_file", error.naming(passwordFile, missing: remedy, in: files))
            }
        }
        return ClusterConfiguration.Journal(
            mailbox: reader.value("mailbox", .mailbox, default: "covey-journal@\(domains.first ?? "")"),
            passwordFile: passwordFile,
            password: password,
            expire: reader.value("expire", .duration(example: "10d"), default: .seconds(10 * 86400)),
            poll: reader.value("poll", .duration(example: "1s"), default: .seconds(1)))
    }

    static func monitor(_ sections: Sections) -> ClusterConfiguration.Monitor {
        ClusterConfiguration.Monitor(
            listen: sections.single("monitor").value(
                "listen", .listener(example: "127.0.0.1:9110", port: 9110),
                default: Endpoint(host: "127.0.0.1", port: 9110)))
    }

    /// A key for which the empty string means: not set.
    private static func emptyOr(_ kind: ValueKind<String>) -> ValueKind<String?> {
        ValueKind<String?>(wanted: kind.wanted, example: kind.example) { node, complain in
            if node == .string("") { return .value(nil) }
            switch kind.read(node, complain) {
            case .value(let value): return .value(value)
            case .wrongType: return .wrongType
            case .refused: return .refused
            }
        }
    }
}

extension FileReader {
    func isReadable(_ path: String) -> Bool { (try? files.read(path, limit: KeyFile.limit)) != nil }
}

extension Complaint {
    /// The same about a file: its name in front, and what to do if it is not there.
    fileprivate func naming(_ path: String, missing: String, in files: FileReader) -> Complaint {
        Complaint(
            message.hasPrefix(path) ? message : "\(path) \(message)",
            remedy: remedy ?? (files.files.exists(path) ? nil : missing))
    }
}
