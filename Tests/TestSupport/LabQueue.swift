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
                String((line.split(separator: "<", maxSplits: 1).last ?? line).prefix { $0 != ">" })
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
}
