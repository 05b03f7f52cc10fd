/// A journal message: an ordinary mail that a person can read, whose lines hold the entries.
public enum JournalMessage {
    /// Entries in one message; a message of this size is some 100 kB for short lists.
    public static let mostEntries = 1_000

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
    public static func text(_ entries: [JournalEntry], _ heading: Heading, codec: JournalCodec) -> String {
        let messages = entries.reduce(0) { $0 + $1.ids.count }
        let users = Set(entries.map(\.user)).count
        var lines = [
            "From: covey-pop3d on \(heading.host) <\(heading.mailbox)>",
            "To: <\(heading.mailbox)>",
            "Subject: Covey journal: \(count(messages, "deleted message")) of \(count(users, "user"))",
            "Date: \(heading.date)",
            "Message-ID: <\(heading.messageID)>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=us-ascii",
            "",
            "# Messages that users of this cluster have deleted. Each line is signed and holds for every mailbox",
            "# server, also for copies that arrive late. Do not edit; covey-pop3d removes entries when they are old.",
        ]
        for entry in entries { lines += codec.lines(for: entry) }
        return lines.map { $0 + "\r\n" }.joined()
    }

    /// What was found in a message's text.
    public struct Contents: Sendable, Equatable {
        public var entries: [JournalEntry] = []
        /// Lines that are neither comments nor signed entries.
        public var invalidLines = 0
    }

    /// Reads a whole message, header section included; line ends may be CRLF or LF.
    public static func read(_ octets: some Collection<UInt8>, codec: JournalCodec) -> Contents {
        var contents = Contents()
        var isBody = false
        for line in octets.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            var text = String(decoding: line, as: UTF8.self)
            if text.utf8.last == UInt8(ascii: "\r") { text.unicodeScalars.removeLast() }
            guard isBody else {
                isBody = text.isEmpty
                continue
            }
            switch codec.read(text) {
            case .entry(let entry): contents.entries.append(entry)
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
