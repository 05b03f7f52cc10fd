extension JSONValue {
    /// The text of this value (RFC 8259), members in alphabetical order: the same value always has the same text.
    var text: String {
        switch self {
        case .object(let members):
            "{" + members.sorted { $0.key < $1.key }.map { "\(JSONValue.quoted($0)):\($1.text)" }.joined(separator: ",")
                + "}"
        case .array(let elements): "[" + elements.map(\.text).joined(separator: ",") + "]"
        case .string(let text): JSONValue.quoted(text)
        case .number(let number): "\(number)"
        case .bool(let flag): flag ? "true" : "false"
        case .null: "null"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            // RFC 8259 §7: control characters must be escaped.
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

extension DaemonStatus {
    /// What `/status.json` shows: one line.
    public var json: String { value.text + "\n" }

    /// Reads what `json` wrote; nil for anything else. Latencies are not read back, nor the titles and units of figures.
    public init?(json: some Sequence<UInt8>) {
        guard let value = JSONValue(json), let daemon = value["daemon"]?.string.flatMap(Daemon.init),
            let host = value["host"]?.string, let now = value["time"]?.number, let started = value["started"]?.number,
            let problems = value["problems"]?.array, let servers = value["servers"]?.array
        else { return nil }
        self.init(
            daemon: daemon, host: host, now: now, started: started,
            problems: problems.compactMap { problem in
                guard let text = problem["text"]?.string, let state = problem["state"]?.string.flatMap(State.init)
                else { return nil }
                return Problem(state, text)
            },
            servers: servers.compactMap { server in
                guard let name = server["name"]?.string, case .bool(let isUp)? = server["up"] else { return nil }
                return Server(
                    name: name, isUp: isUp, reason: server["reason"]?.string,
                    figures: DaemonStatus.figures(server["figures"]))
            },
            figures: DaemonStatus.figures(value["figures"]))
    }

    private static func figures(_ value: JSONValue?) -> [Figure] {
        guard case .object(let members)? = value else { return [] }
        return members.sorted { $0.key < $1.key }.compactMap { key, value in
            value.number.map { Figure(key, key, $0) }
        }
    }

    private var value: JSONValue {
        var members: [String: JSONValue] = [
            "daemon": .string(daemon.rawValue), "host": .string(host), "state": .string(state.rawValue),
            "time": .number(now), "started": .number(started), "figures": DaemonStatus.value(figures),
            "problems": .array(
                problems.map { .object(["state": .string($0.state.rawValue), "text": .string($0.text)]) }),
            "servers": .array(
                servers.map { server in
                    var members: [String: JSONValue] = [
                        "name": .string(server.name), "up": .bool(server.isUp),
                        "figures": DaemonStatus.value(server.figures),
                    ]
                    if let reason = server.reason { members["reason"] = .string(reason) }
                    if let latency = server.latency { members["latency"] = DaemonStatus.value(latency) }
                    return .object(members)
                }),
        ]
        if let latency { members["login_latency"] = DaemonStatus.value(latency) }
        if let failovers {
            members["failovers"] = .array(
                failovers.map {
                    .object(["time": .number($0.time), "from": .string($0.from), "to": .string($0.to)])
                })
        }
        return .object(members)
    }

    static func value(_ figures: [Figure]) -> JSONValue {
        .object(Dictionary(figures.map { ($0.key, .number($0.value)) }) { first, _ in first })
    }

    private static func value(_ histogram: LatencyHistogram) -> JSONValue {
        .object([
            "count": .number(histogram.count), "sum_milliseconds": .number(Int(histogram.sum * 1_000)),
            "buckets": .array(
                histogram.cumulativeBuckets.map { bucket in
                    .object([
                        "up_to_milliseconds": bucket.bound.map { .number(Int(($0 * 1_000).rounded())) } ?? .null,
                        "count": .number(bucket.count),
                    ])
                }),
        ])
    }
}

extension DaemonStatus {
    /// What `/healthz` says, and whether a load balancer should send anybody here: not where the daemon can do its work for
    /// nobody; a degraded one works.
    public var health: (isServing: Bool, text: String) {
        (state != .down, ([state.rawValue] + problems.map(\.text)).joined(separator: "\n") + "\n")
    }
}
