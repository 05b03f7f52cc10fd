/// Every table and key of `cluster.toml` (design §8), and what to suggest for one that is not among them.
enum KnownKeys {
    static let sections: [String: [String]] = [
        "cluster": ["domains", "key_file"],
        "hub": ["name", "addresses", "preference"],
        "mailbox": ["name", "addresses", "lmtp", "smtp", "pop3", "tls", "ca_file", "verify"],
        "proxy": ["name", "addresses"],
        "dns": ["zone", "pop_name", "ttl"],
        "milter": [
            "socket", "delivery", "min_copies", "connect_timeout", "delivery_timeout", "spool_limit", "leave_to_mta",
            "reject_unknown", "user", "flush_command",
        ],
        "pop3": [
            "listen", "listen_tls", "certificate", "private_key", "auth", "login_timeout", "default_domain",
            "max_connections", "proxy_protocol_from", "heal_after", "user",
        ],
        "journal": ["mailbox", "password_file", "expire", "poll"],
        "monitor": ["listen"],
    ]
    /// Tables that come in numbers, in the order of the documentation.
    static let lists = ["hub", "mailbox", "proxy"]
    static let order = ["cluster", "hub", "mailbox", "proxy", "dns", "milter", "pop3", "journal", "monitor"]

    static func header(_ section: String) -> String {
        lists.contains(section) ? "[[\(section)]]" : "[\(section)]"
    }

    static func unknownKey(_ key: String, in section: String) -> Complaint {
        let own = sections[section] ?? []
        if let near = nearest(key, in: own) {
            return Complaint("unknown key", remedy: "did you mean \"\(near)\"?")
        }
        let owners = order.filter { sections[$0]?.contains(key) == true }
        if !owners.isEmpty {
            return Complaint("unknown key", remedy: "it belongs in \(owners.map(header).joined(separator: " or "))")
        }
        return Complaint("unknown key", remedy: "remove it (known here: \(own.joined(separator: ", ")))")
    }

    static func unknownSection(_ name: String, isTable: Bool) -> Complaint {
        if isTable {
            if let near = nearest(name, in: order) {
                return Complaint("unknown table", remedy: "did you mean \(header(near))?")
            }
            return Complaint("unknown table", remedy: "remove it (known: \(order.map(header).joined(separator: ", ")))")
        }
        let owners = order.filter { sections[$0]?.contains(name) == true }
        if owners.isEmpty { return Complaint("unknown key outside of any table", remedy: "remove it") }
        return Complaint(
            "stands outside of any table", remedy: "move it below \(owners.map(header).joined(separator: " or "))")
    }

    /// The candidate that differs by the fewest typing mistakes, if that is few for its length.
    static func nearest(_ word: String, in candidates: [String]) -> String? {
        candidates.map { ($0, distance(word.lowercased(), $0)) }
            .filter { $0.1 <= max(1, min(word.count, $0.0.count) / 3) }
            .min { $0.1 < $1.1 }?.0
    }

    /// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
    static func distance(_ left: String, _ right: String) -> Int {
        let a = Array(left.unicodeScalars)
        let b = Array(right.unicodeScalars)
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, beforeLast[j - 1] + 1) }
                row.append(best)
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
