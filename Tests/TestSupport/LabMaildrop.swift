import Foundation

/// A message as a mailbox server has it on its disk: Dovecot's file, whose lines end in LF.
public struct StoredMessage: Sendable, Equatable, CustomStringConvertible {
    /// Each with its folded lines and their LF.
    public var fields: [[UInt8]]
    public var body: [UInt8]

    public init(_ octets: [UInt8]) {
        var fields: [[UInt8]] = []
        var rest = octets[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = rest[...end]
            rest = rest[(end + 1)...]
            if line.count == 1 { break }
            if let first = line.first, first == UInt8(ascii: " ") || first == UInt8(ascii: "\t"), !fields.isEmpty {
                fields[fields.count - 1] += line
            } else {
                fields.append(Array(line))
            }
        }
        self.fields = fields
        body = Array(rest)
    }

    /// Values of all fields of that name, in any letters, unfolded and without white space around them.
    public func values(of name: String) -> [String] {
        fields.compactMap { field in
            let text = String(decoding: field, as: UTF8.self)
            guard let colon = text.firstIndex(of: ":"),
                text[..<colon].trimmingCharacters(in: .whitespaces).lowercased() == name.lowercased()
            else { return nil }
            return text[text.index(after: colon)...].replacingOccurrences(of: "\n", with: "")
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }

    /// All X-UIDL fields: there must be exactly one.
    public var ids: [String] { values(of: "X-UIDL") }
    public var subject: String { values(of: "Subject").first ?? "" }
    public var description: String { "\(subject) \(ids) (\(fields.count) fields, \(body.count) octets)" }
}

extension Lab {
    /// What a mailbox server holds for a user, also while it is off. In no order.
    ///
    /// - Parameter user: a mailbox address in lower case.
    public func stored(for user: String, on server: String) throws -> [StoredMessage] {
        let parts = user.split(separator: "@")
        guard parts.count == 2 else { throw LabFailure("not a mailbox address: \(user)") }
        let maildir = disk(of: server, "/var/vmail/\(parts[1])/\(parts[0])/Maildir")
        var messages: [StoredMessage] = []
        for folder in ["new", "cur"] {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(maildir)/\(folder)")) ?? []
            for name in names {
                // Gone again or renamed since: the next look will tell.
                guard let data = FileManager.default.contents(atPath: "\(maildir)/\(folder)/\(name)") else { continue }
                messages.append(StoredMessage(Array(data)))
            }
        }
        return messages
    }

    /// What every mailbox server holds for a user, as soon as each has that many messages, by server.
    ///
    /// - Throws: `LabFailure` when one has not, or has more.
    @discardableResult
    public func copies(
        for user: String, count: Int = 1, on servers: [String]? = nil, within seconds: Double = 30,
        where isMeant: (StoredMessage) -> Bool = { _ in true }
    ) throws -> [String: [StoredMessage]] {
        let servers = servers ?? mailboxes
        let seen = try wait(
            for: "\(count) messages for \(user) on each of \(servers)", within: seconds,
            { try servers.map { try stored(for: user, on: $0).filter(isMeant) } },
            until: { $0.allSatisfy { $0.count >= count } })
        guard seen.allSatisfy({ $0.count == count }) else {
            throw LabFailure("\(user) should have \(count) messages on each of \(servers), but has \(seen)")
        }
        return Dictionary(uniqueKeysWithValues: zip(servers, seen))
    }

    /// The unique-ids that a mail program sees at a proxy.
    public func maildrop(of user: String, at proxy: String) throws -> [String] {
        let connection = try LabConnection(address(of: proxy), port: 1100, seconds: 30)
        func reply() throws -> String { try connection.readLine() }
        func command(_ line: String) throws {
            try connection.write(Array((line + "\r\n").utf8))
            let answer = try reply()
            guard answer.hasPrefix("+OK") else { throw LabFailure("\(proxy): \(line): \(answer)") }
        }
        let greeting = try reply()
        guard greeting.hasPrefix("+OK") else { throw LabFailure("\(proxy): \(greeting)") }
        try command("USER \(user)")
        try command("PASS secret")
        try command("UIDL")
        var ids: [String] = []
        while case let line = try reply(), line != "." {
            ids.append(line.split(separator: " ").last.map(String.init) ?? line)
        }
        try command("QUIT")
        return ids
    }
}
