import Foundation

/// A message in a hub's queue: mailq(1), in a form for programs.
public struct QueuedMessage: Sendable, Equatable, Decodable {
    /// An address that the queue still has to reach, and why it could not yet.
    public struct Recipient: Sendable, Equatable, Decodable {
        public var address: String
        public var delayReason: String?

        enum CodingKeys: String, CodingKey {
            case address
            case delayReason = "delay_reason"
        }
    }

    public var sender: String
    public var recipients: [Recipient]
}

extension Lab {
    /// All messages in a hub's queue.
    public func queue(of hub: String) throws -> [QueuedMessage] {
        guard mta == .postfix else { return try sendmailQueue(of: hub) }
        let lines = try exec(hub, "postqueue", "-j").text.split(separator: "\n")
        return try lines.map { try JSONDecoder().decode(QueuedMessage.self, from: Data($0.utf8)) }
    }

    /// Sendmail's queue files: `S<sender>`, and for each recipient `RFLAGS:<address>`. sendmail(1)'s own queue included.
    private func sendmailQueue(of hub: String) throws -> [QueuedMessage] {
        let files = try shell(
            hub,
            """
            for file in /var/spool/mqueue/[qQhd]f* /var/spool/mqueue-client/qf*; do
                case $file in
                *'*') ;;
                */df*) [ -e "${file/df/qf}" ] || echo "=lone $file" ;;
                *) echo "=$file"; grep -a '^[SR]' "$file" || true ;;
                esac
            done
            """
        ).text.split(separator: "=").dropFirst(0)
        return files.map { file in
            let lines = file.split(separator: "\n")
            func address(_ line: Substring) -> String {
                // What an alias stands for has no angle brackets.
                let parts = line.split(separator: line.contains("<") ? "<" : ":", maxSplits: 1)
                return String((parts.last ?? line).prefix { $0 != ">" })
            }
            return QueuedMessage(
                sender: lines.first { $0.hasPrefix("S") }.map(address) ?? "",
                recipients: lines.dropFirst().filter { $0.hasPrefix("R") }.map { .init(address: address($0)) })
        }
    }

    /// The addresses that a hub's queue still has to reach, sorted.
    ///
    /// - Parameter user: only this user's, those for a single server included.
    public func queuedRecipients(of hub: String, for user: String? = nil) throws -> [String] {
        try queue(of: hub).flatMap(\.recipients).map(\.address).filter { address in
            user.map { address == $0 || address.hasPrefix($0 + ".") } ?? true
        }.sorted()
    }

    /// Has a hub try everything in its queue again, now.
    public func flushQueue(of hub: String) throws {
        switch mta {
        case .postfix: try exec(hub, "postqueue", "-f")
        // Waits until the queue was run. What the first run was busy with is skipped: status 0 anyway.
        case .sendmail: try exec(hub, "sendmail-mta", "-q")
        }
    }

    /// Has a hub try again and again until its queue is empty.
    public func emptyQueue(of hub: String, within seconds: Double = 90) throws {
        var looks = 0
        try wait(
            for: "an empty queue on \(hub)", within: seconds,
            {
                // Not with each look: a queue manager that is interrupted all the time gets nothing done.
                if looks % 20 == 0 { try flushQueue(of: hub) }
                looks += 1
                return try queue(of: hub)
            }, until: \.isEmpty)
    }
}
