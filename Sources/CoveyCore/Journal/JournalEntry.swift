import Crypto

/// Deletions of one user's messages, as the journal keeps them (design §6): valid for every mailbox server, now and
/// later.
public struct JournalEntry: Sendable, Hashable {
    /// Mailbox address, lower-case.
    public var user: String
    /// At least one.
    public var ids: [UniqueID]
    /// When the user deleted them: seconds since 1970.
    public var time: Int

    public init(user: String, ids: [UniqueID], time: Int) {
        self.user = user
        self.ids = ids
        self.time = time
    }
}

/// Writes and reads entries as signed lines of text.
///
/// A line is `deleted TIME USER ID[,ID…] SIGNATURE`: time in seconds since 1970; the user with every octet outside
/// `A-Za-z0-9@._+=-` written %XX; the signature the base32 of the first 128 bits of HMAC-SHA-256 under the cluster key
/// over `covey journal 1`, a line feed and the line up to the blank before the signature. Each line stands for itself: lines
/// can be copied from one journal message to another, in any order, any number of times.
public struct JournalCodec: Sendable {
    /// Ids in one line: keeps it below the 998 octets of RFC 5322 §2.1.1.
    static let idsPerLine = 20
    private static let domain = "covey journal 1\n"

    private let key: SymmetricKey

    public init(key: ClusterKey) {
        self.key = SymmetricKey(data: key.octets)
    }

    /// What a line of a journal message is.
    public enum Line: Sendable, Equatable {
        case entry(JournalEntry)
        /// An explanation for a human reader, or nothing.
        case comment
        /// Looks like an entry but is not signed with our key, or is damaged.
        case invalid
    }

    /// One or more lines, without line ends.
    public func lines(for entry: JournalEntry) -> [String] {
        stride(from: 0, to: entry.ids.count, by: JournalCodec.idsPerLine).map { start in
            let ids = entry.ids[start...].prefix(JournalCodec.idsPerLine).map(\.description).joined(separator: ",")
            let text = "deleted \(entry.time) \(JournalCodec.escape(entry.user)) \(ids)"
            return "\(text) \(signature(text))"
        }
    }

    public func read(_ line: some StringProtocol) -> Line {
        guard line.hasPrefix("deleted ") else {
            return line.isEmpty || line.hasPrefix("#") ? .comment : .invalid
        }
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 5, let time = Int(words[1]), time >= 0, time <= Int(UInt32.max),
            let user = JournalCodec.unescape(words[2])
        else { return .invalid }
        let ids = words[3].split(separator: ",", omittingEmptySubsequences: false).map { UniqueID($0) }
        guard !ids.isEmpty, ids.allSatisfy({ $0 != nil }) else { return .invalid }
        let text = words[..<4].joined(separator: " ")
        guard signature(text) == words[4] else { return .invalid }
        return .entry(JournalEntry(user: user, ids: ids.compactMap { $0 }, time: time))
    }

    private func signature(_ text: String) -> String {
        let code = HMAC<SHA256>.authenticationCode(for: Array((JournalCodec.domain + text).utf8), using: key)
        // An id's text without its kind is the base32 of 128 bits.
        return String(UniqueID(kind: .stamped, digest: code).description.dropFirst(3))
    }

    private static func escape(_ user: String) -> String {
        var text = ""
        for octet in user.utf8 {
            switch octet {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                text.unicodeScalars.append(Unicode.Scalar(octet))
            case _ where "@._+=-".utf8.contains(octet):
                text.unicodeScalars.append(Unicode.Scalar(octet))
            default:
                let hex = String(octet, radix: 16, uppercase: true)
                text += "%" + (hex.count < 2 ? "0" : "") + hex
            }
        }
        return text
    }

    private static func unescape(_ text: some StringProtocol) -> String? {
        var octets: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "%") else {
                octets.append(octet)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            octets.append(value)
            rest = rest.dropFirst(2)
        }
        guard !octets.isEmpty else { return nil }
        return String(validating: octets, as: UTF8.self)
    }
}
