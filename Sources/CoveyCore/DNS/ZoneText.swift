extension ClusterRecords {
    /// For a zone file, to be copied or included: names are absolute, a reason stands above each record.
    ///
    /// - Parameter only: the zone whose names are printed; what else there is, is named in comments.
    public func zoneText(only zone: String) -> String {
        let mine = sets(in: zone)
        let width = mine.map { $0.key.name.count + 1 }.max() ?? 0
        var lines = [
            "; The cluster's records in the zone \(zone), made by covey dns from cluster.toml.",
            "; In the zone file, after a change: raise the serial of its SOA record, then rndc reload \(zone).",
        ]
        lines += notes(outside: zone).map { "; \($0)" }
        var name: String?
        for set in mine {
            if name != set.key.name { lines.append("") }
            name = set.key.name
            for record in set.records {
                lines.append("; \(record.reason)")
                let owner = "\(set.key.name)."
                let padded = owner + String(repeating: " ", count: max(0, width - owner.count))
                lines.append("\(record.isLeftOut ? "; " : "")\(padded) \(ttl) IN \(set.key.type) \(record.data.text)")
            }
        }
        return lines.map { $0 + "\n" }.joined()
    }

    /// The mail domains whose records belong to other zones, with what to do about them.
    public func notes(outside zone: String) -> [String] {
        var names: [String] = []
        for set in sets where set.key.type == "MX" && !DNSName.isIn(set.key.name, zone: zone) {
            names.append("Not here: \(set.key.name) is in another zone; see covey dns --zone \(set.key.name)")
        }
        return names
    }

    /// For programs: one object (RFC 8259).
    public func json(only zone: String) -> String {
        let records = sets(in: zone).flatMap { set in
            set.records.map { record in
                JSONValue.object([
                    "name": .string(set.key.name), "type": .string(set.key.type), "ttl": .number(ttl),
                    "data": .string(record.data.text), "reason": .string(record.reason),
                    "published": .bool(!record.isLeftOut),
                ])
            }
        }
        return JSONValue.object(["zone": .string(zone), "records": .array(records)]).text + "\n"
    }
}
