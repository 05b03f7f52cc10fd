/// A journal message: an ordinary mail that a person can read, whose lines hold the entries.
public enum JournalMessage {
    /// Entries in one message; a message of this size is 1 MB for short lists.
    public static let mostEntries = 10_000

    /// What a message says of itself.
    public struct Heading: Sendable {
        /// The journal's mailbox.
        public var mailbox: String
        /// The host of the proxy that writes.
        public var host: String
        /// RFC 5322 date of writing.
        public var date: String
        /// `left@right`, unique.
        public var messageID: String

        public init(mailbox: String, host: String, date: String, messageID: String) {
            self.mailbox = mailbox
            self.host = host
            self.date = date
            self.messageID = messageID
        }
    }

    /// The message's text, lines ending in CRLF: header section with its empty line, and body.
    public static func text(
        _ entries: [JournalEntry], marks: [JournalMark] = [], _ heading: Heading, codec: JournalCodec
    ) -> String {
        var lines = [
            "From: covey-pop3d on \(heading.host) <\(heading.mailbox)>",
            "To: <\(heading.mailbox)>",
            "Subject: Covey journal: \(subject(entries, marks))",
            "Date: \(heading.date)",
            "Message-ID: <\(heading.messageID)>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=us-ascii",
            "",
            "# Messages that users of this cluster have deleted. Each line is signed and holds for every mailbox",
            "# server, also for copies that arrive late. Do not edit; covey-pop3d removes entries when they are old.",
        ]
        if !marks.isEmpty {
            lines.append("# A heartbeat says that this server was in touch with the cluster at that time.")
        }
        for mark in marks { lines.append(codec.line(for: mark)) }
        for entry in entries { lines += codec.lines(for: entry) }
        return lines.map { $0 + "\r\n" }.joined()
    }

    private static func subject(_ entries: [JournalEntry], _ marks: [JournalMark]) -> String {
        let messages = entries.reduce(0) { $0 + $1.ids.count }
        let users = Set(entries.map(\.user)).count
        var parts: [String] = []
        if marks.contains(where: { $0.kind == .resynced }) {
            parts.append("server brought up to date")
        } else if !marks.isEmpty {
            parts.append("heartbeat")
        }
        if messages > 0 || marks.isEmpty {
            parts.append("\(count(messages, "deleted message")) of \(count(users, "user"))")
        }
        return parts.joined(separator: ", ")
    }

    /// What was found in a message's text.
    public struct Contents: Sendable, Equatable {
        public var entries: [JournalEntry] = []
        public var marks: [JournalMark] = []
        /// Lines that are neither comments nor signed entries.
        public var invalidLines = 0

        /// Not all of it was written by a proxy of this cluster.
        public var isForeign: Bool { invalidLines > 0 || (entries.isEmpty && marks.isEmpty) }
    }

    /// Reads a whole message, header section included; line ends may be CRLF or LF.
    public static func read(_ octets: UnsafeRawBufferPointer, codec: JournalCodec) -> Contents {
        var contents = Contents()
        var isBody = false
        var rest = octets[...]
        while !rest.isEmpty {
            let lineFeed = rest.firstIndex(of: UInt8(ascii: "\n"))
            var line = rest[..<(lineFeed ?? rest.endIndex)]
            rest = lineFeed.map { rest[($0 + 1)...] } ?? rest.suffix(0)
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            guard isBody else {
                isBody = line.isEmpty
                continue
            }
            switch codec.read(line) {
            case .entry(let entry): contents.entries.append(entry)
            case .mark(let mark): contents.marks.append(mark)
            case .comment: break
            case .invalid: contents.invalidLines += 1
            }
        }
        return contents
    }

    private static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }
}
