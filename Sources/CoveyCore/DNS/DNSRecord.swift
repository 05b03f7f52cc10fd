/// What a resource record says, of the types that a cluster needs.
///
/// Names are absolute, lower-case, without the dot at the end; the empty name is the root.
public enum DNSData: Sendable, Hashable {
    case address(IPAddress)
    /// RFC 5321 §5.1: the lower preference is tried first.
    case mailExchanger(preference: Int, host: String)
    /// RFC 2782; the root as its target says that the service is not offered.
    case service(priority: Int, weight: Int, port: Int, target: String)

    /// `A`, `AAAA`, `MX` or `SRV`.
    public var type: String {
        switch self {
        case .address(let address): address.family == .v4 ? "A" : "AAAA"
        case .mailExchanger: "MX"
        case .service: "SRV"
        }
    }

    /// As a zone file has it (RFC 1035 §5.1).
    public var text: String {
        switch self {
        case .address(let address): address.description
        case .mailExchanger(let preference, let host): "\(preference) \(host)."
        case .service(let priority, let weight, let port, let target): "\(priority) \(weight) \(port) \(target)."
        }
    }

    /// Reads what `text` wrote; nil for other types and for anything that is no record of this type.
    init?(type: some StringProtocol, words: [Substring]) {
        switch (type.uppercased(), words.count) {
        case ("A", 1), ("AAAA", 1):
            guard let address = IPAddress(String(words[0])), (address.family == .v4) == (type.uppercased() == "A")
            else { return nil }
            self = .address(address)
        case ("MX", 2):
            guard let preference = Int(words[0]) else { return nil }
            self = .mailExchanger(preference: preference, host: DNSName.canonical(words[1]))
        case ("SRV", 4):
            guard let priority = Int(words[0]), let weight = Int(words[1]), let port = Int(words[2])
            else { return nil }
            self = .service(priority: priority, weight: weight, port: port, target: DNSName.canonical(words[3]))
        default: return nil
        }
    }
}

/// All records of one name and type: they share a time to live, and are changed together (RFC 2181 §5).
public struct DNSRecordSet: Sendable, Equatable {
    public struct Key: Sendable, Hashable {
        /// As in `DNSData`.
        public var name: String
        public var type: String

        public init(name: String, type: String) {
            self.name = name
            self.type = type
        }
    }

    public struct Record: Sendable, Equatable {
        public var data: DNSData
        /// Why it is there, or why it is left out; in plain words.
        public var reason: String
        /// Left out because nobody answers there.
        public var isLeftOut = false
    }

    public var key: Key
    public var records: [Record]

    /// Those that are not left out.
    public var published: [DNSData] { records.filter { !$0.isLeftOut }.map(\.data) }
}

enum DNSName {
    /// Lower-case (RFC 4343: names are compared so), without the dot at the end.
    static func canonical(_ text: some StringProtocol) -> String {
        let name = text.lowercased()
        return name.hasSuffix(".") ? String(name.dropLast()) : name
    }

    /// Whether the name is the zone's own or below it.
    static func isIn(_ name: String, zone: String) -> Bool { name == zone || name.hasSuffix(".\(zone)") }
}

extension ClusterConfiguration.DNS {
    /// A server's full host name; nil where the configuration has no zone.
    public func hostName(_ name: String) -> String? { zone.map { "\(name).\($0)" } }
}
