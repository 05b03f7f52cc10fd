/// What a name server has under some names now, read from what dig prints with `dig.options`.
public struct DigAnswer: Sendable, Equatable {
    public struct Found: Sendable, Equatable {
        public var ttl: Int
        public var data: DNSData

        public init(ttl: Int, data: DNSData) {
            self.ttl = ttl
            self.data = data
        }
    }

    /// Every key that was asked for, without records where there are none.
    public var sets: [DNSRecordSet.Key: [Found]]

    public struct Failure: Error, Equatable, CustomStringConvertible {
        public var description: String
    }

    /// dig(1)'s words for these questions.
    ///
    /// - Parameter server: host, port.
    public static func question(_ keys: [DNSRecordSet.Key], to server: Endpoint) -> [String] {
        // Over TCP: no answer is cut. No recursion: what the server itself has is wanted.
        let options = ["+tcp", "+norecurse", "+noall", "+comments", "+answer", "+time=3", "+tries=1"]
        return ["dig", "-p", "\(server.port)", "@\(server.host)"]
            + keys.flatMap { ["-q", "\($0.name).", "-t", $0.type] + options }
    }

    /// - Parameters:
    ///   - text: what dig printed.
    ///   - keys: what was asked, in this order.
    /// - Throws: when anything but a full answer to each question is there: from half an answer nobody may conclude that
    ///   records are missing.
    public init(_ text: String, to keys: [DNSRecordSet.Key]) throws(Failure) {
        var answered = 0
        sets = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split { $0 == " " || $0 == "\t" }
            if line.hasPrefix(";; ->>HEADER<<-") {
                guard answered < keys.count else { throw Failure(description: "more answers than questions") }
                let status = words.firstIndex(of: "status:").map { words[$0 + 1].filter { $0 != "," } } ?? "none"
                // NXDOMAIN: the name has no records at all (RFC 2308 §2).
                guard status == "NOERROR" || status == "NXDOMAIN" else {
                    throw Failure(
                        description: "\(keys[answered].name) \(keys[answered].type): the server answers \(status)")
                }
                sets[keys[answered]] = []
                answered += 1
            } else if line.hasPrefix(";; flags:") {
                let flags = line.dropFirst(9).prefix { $0 != ";" }.split(separator: " ")
                guard flags.contains("aa") else {
                    throw Failure(
                        description: "the server does not answer for the zone of \(keys[max(0, answered - 1)].name) "
                            + "(no authoritative answer): name the zone's primary server")
                }
            } else if !line.hasPrefix(";"), answered > 0, words.count >= 5, let ttl = Int(words[1]) {
                try add(words, ttl: ttl, to: keys[answered - 1])
            }
        }
        guard answered == keys.count else {
            let reason = text.split(whereSeparator: \.isNewline).last { $0.hasPrefix(";; ") && !$0.contains("flags:") }
            throw Failure(
                description: "\(keys.count - answered) of \(keys.count) questions without an answer"
                    + (reason.map { ": " + $0.dropFirst(3) } ?? ""))
        }
    }

    private mutating func add(_ words: [Substring], ttl: Int, to key: DNSRecordSet.Key) throws(Failure) {
        let type = words[3].uppercased()
        if type == "CNAME" {
            // RFC 2136 §3.4.2.2: an address added beside a CNAME is silently ignored.
            throw Failure(description: "\(key.name) is a CNAME now: remove it, then addresses can be put there")
        }
        // Signatures of a signed zone come along.
        guard type == key.type, DNSName.canonical(words[0]) == key.name else { return }
        guard let data = DNSData(type: type, words: Array(words[4...])) else {
            throw Failure(description: "cannot read: \(words.joined(separator: " "))")
        }
        sets[key]?.append(Found(ttl: ttl, data: data))
    }
}
