extension ClusterStatus {
    // MARK: table

    /// For a person: the cluster's state, one row for each daemon, one for each mailbox server.
    public var table: String {
        """
        The cluster is \(state == .ok ? "ok" : state.rawValue).

        \(ClusterStatus.columns([["HOST", "DAEMON", "STATE", "REMARKS"]] + daemons.flatMap(rows)))
        \(ClusterStatus.columns([["SERVER", "DELIVERY", "POP3", "COPIES WAITING", "REMARKS"]] + servers.map(row)))
        """
    }

    private func rows(_ daemon: Daemon) -> [[String]] {
        let remarks = daemon.remarks
        return (remarks.isEmpty ? [""] : remarks).enumerated().map { place, remark in
            (place == 0 ? [daemon.host, daemon.daemon.rawValue, daemon.word] : ["", "", ""]) + [remark]
        }
    }

    private func row(_ server: Server) -> [String] {
        [
            server.name, server.delivery.word, server.pop3.word, server.waiting.map(String.init) ?? "unknown",
            [("delivery", server.delivery), ("POP3", server.pop3)].compactMap { name, service in
                switch service {
                case .up, .unknown: nil
                case .down(let hosts, let reason), .partlyDown(let hosts, let reason):
                    "\(name) from \(hosts.joined(separator: ", ")): \(reason)"
                }
            }.joined(separator: "; "),
        ]
    }

    /// Columns as wide as their widest word, the last one as it is.
    private static func columns(_ rows: [[String]]) -> String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = zip(row, widths).map { text, width in
                text + String(repeating: " ", count: width - text.count)
            }.joined(separator: "  ")[...]
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }

    // MARK: JSON

    /// For programs: one line.
    public var json: String {
        JSONValue.object([
            "state": .string(state.rawValue),
            "daemons": .array(
                daemons.map { daemon in
                    var members: [String: JSONValue] = [
                        "host": .string(daemon.host), "daemon": .string(daemon.daemon.rawValue),
                        "state": .string(daemon.word), "remarks": .array(daemon.remarks.map { .string($0) }),
                    ]
                    if let status = daemon.status { members["figures"] = DaemonStatus.value(status.figures) }
                    return .object(members)
                }),
            "servers": .array(
                servers.map { server in
                    .object([
                        "name": .string(server.name), "delivery": .string(server.delivery.word),
                        "pop3": .string(server.pop3.word),
                        "copies_waiting": server.waiting.map { .number($0) } ?? .null,
                    ])
                }),
        ]).text + "\n"
    }
}

extension ClusterStatus.Daemon {
    fileprivate var word: String {
        switch answer {
        case .status(let status): status.state.rawValue
        case .none: "no answer"
        case .notAsked: "not asked"
        }
    }

    fileprivate var remarks: [String] {
        switch answer {
        case .none(let reason), .notAsked(let reason): return [reason]
        case .status(let status):
            guard status.problems.isEmpty else { return status.problems.map(\.text) }
            let time = "up for \(StatusPage.span(status.now - status.started))"
            switch status.daemon {
            case .milter:
                let delivered = (status.figure("messages_delivered") ?? 0) + (status.figure("messages_passed_on") ?? 0)
                return ["\(time), messages \(delivered), put off \(status.figure("messages_tempfailed") ?? 0)"]
            case .pop3d:
                return [
                    "\(time), sessions \(status.figure("sessions") ?? 0), logins \(status.figure("logins_accepted") ?? 0)"
                ]
            }
        }
    }
}
