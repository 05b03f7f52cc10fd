/// What must change on a name server so that it has the cluster's records: a dynamic update (RFC 2136) for nsupdate(1).
public struct DNSUpdate: Sendable, Equatable {
    /// nsupdate's lines; empty where nothing must change.
    public private(set) var commands: [String] = []

    /// The sets to ask the server for: those that the cluster has records of, and both address types of the name for mail
    /// programs, where an address that is no proxy's would catch every second login.
    public static func keys(_ records: ClusterRecords, in zone: String) -> [DNSRecordSet.Key] {
        var keys = records.sets(in: zone).map(\.key)
        for type in ["A", "AAAA"] where DNSName.isIn(records.popName, zone: zone) {
            let key = DNSRecordSet.Key(name: records.popName, type: type)
            if !keys.contains(key) { keys.append(key) }
        }
        return keys
    }

    /// - Parameters:
    ///   - present: the server's answer to `keys`.
    ///   - server: written into the update; nil leaves it to nsupdate, which asks for the zone's primary.
    public init(_ records: ClusterRecords, in zone: String, present: DigAnswer, server: Endpoint?) {
        var conditions: [String] = []
        var changes: [String] = []
        for key in DNSUpdate.keys(records, in: zone) {
            let wanted = records.sets.first { $0.key == key }
            let found = present.sets[key] ?? []
            let change = DNSUpdate.change(key, wanted, found, ttl: records.ttl)
            guard !change.isEmpty else { continue }
            changes += change
            // RFC 2136 §2.4.2: nothing happens if somebody else has changed the set since it was asked for.
            conditions +=
                found.isEmpty
                ? ["prereq nxrrset \(key.name). IN \(key.type)"]
                : found.map { "prereq yxrrset \(key.name). IN \(key.type) \($0.data.text)" }
        }
        guard !changes.isEmpty else { return }
        commands = server.map { ["server \($0.host) \($0.port)"] } ?? []
        commands += ["zone \(zone)."] + conditions + changes + ["send"]
    }

    /// Always with a last line that says what there is to do.
    public var text: String {
        let lines = commands.isEmpty ? ["; The server has the cluster's records: nothing to change."] : commands
        return lines.map { $0 + "\n" }.joined()
    }

    /// Additions before removals: a set is never empty on the way (RFC 2136 §3.4: all of it is one step anyway).
    private static func change(
        _ key: DNSRecordSet.Key, _ wanted: DNSRecordSet?, _ found: [DigAnswer.Found], ttl: Int
    ) -> [String] {
        var lines: [String] = []
        for record in wanted?.records ?? [] where !record.isLeftOut {
            // An addition of what is there already changes its time to live, and that of the set.
            guard !found.contains(where: { $0.data == record.data && $0.ttl == ttl }) else { continue }
            lines += ["; \(record.reason)", "update add \(key.name). \(ttl) IN \(key.type) \(record.data.text)"]
        }
        let published = wanted?.published ?? []
        for data in found.map(\.data) where !published.contains(data) {
            let reason = wanted?.records.first { $0.data == data }?.reason ?? "cluster.toml does not name it"
            lines += ["; \(reason)", "update delete \(key.name). IN \(key.type) \(data.text)"]
        }
        return lines
    }
}
