import Crypto

/// Writes and reads entries and marks as signed lines of text.
///
/// An entry is `deleted TIME USER ID[,ID…] SIGNATURE`, a mark `heartbeat TIME SERVER SIGNATURE` or `resynced TIME SERVER
/// SIGNATURE`: time in seconds since 1970; the user with every octet outside `A-Za-z0-9@._+=-` written %XX; the signature
/// the base32 of the first 128 bits of HMAC-SHA-256 under the cluster key over `covey journal 1`, a line feed and the line up
/// to the blank before the signature. Each line stands for itself: lines can be copied from one journal message to another,
/// in any order, any number of times.
public struct JournalCodec: Sendable {
    /// Ids in one line: keeps it below the 998 octets of RFC 5322 §2.1.1.
    static let idsPerLine = 20
    private static let domain = Array("covey journal 1\n".utf8)
    private static let deleted = Array("deleted".utf8)
    private static let blank = UInt8(ascii: " ")

    /// Has taken the key and the domain: copied for each line, since a journal may have a million of them.
    private let authentication: HMAC<SHA256>

    public init(key: ClusterKey) {
        var authentication = HMAC<SHA256>(key: SymmetricKey(data: key.octets))
        authentication.update(data: JournalCodec.domain)
        self.authentication = authentication
    }

    /// What a line of a journal message is.
    public enum Line: Sendable, Equatable {
        case entry(JournalEntry)
        case mark(JournalMark)
        /// An explanation for a human reader, or nothing.
        case comment
        /// Looks like an entry but is not signed with our key, or is damaged.
        case invalid
    }

    /// One or more lines, without line ends.
    public func lines(for entry: JournalEntry) -> [String] {
        stride(from: 0, to: entry.ids.count, by: JournalCodec.idsPerLine).map { start in
            let ids = entry.ids[start...].prefix(JournalCodec.idsPerLine).map(\.description).joined(separator: ",")
            return signed("deleted \(entry.time) \(JournalCodec.escape(entry.user)) \(ids)")
        }
    }

    public func line(for mark: JournalMark) -> String {
        signed("\(mark.kind.rawValue) \(mark.time) \(mark.server)")
    }

    private func signed(_ text: String) -> String {
        // An id's text without its kind is the base32 of 128 bits.
        let words = Array(text.utf8).withUnsafeBytes { signature($0[...]) }
        return "\(text) \(UniqueID(words: words, kind: .stamped).description.dropFirst(3))"
    }

    public func read(_ line: some StringProtocol) -> Line {
        Array(line.utf8).withUnsafeBytes { read($0[...]) }
    }

    /// Reads a line without its line end. In octets: a journal may have a million entries.
    func read(_ line: Slice<UnsafeRawBufferPointer>) -> Line {
        guard let first = line.first, first != UInt8(ascii: "#") else { return .comment }
        guard let end = line.lastIndex(of: JournalCodec.blank),
            let (high, low) = Base32.decode128(line[(end + 1)...]),
            signature(line[..<end]) == UniqueID.Words(high: high, low: low)
        else { return .invalid }
        var rest: Slice<UnsafeRawBufferPointer>? = line[..<end]
        guard let kind = JournalCodec.word(of: &rest), let timeText = JournalCodec.word(of: &rest),
            let name = JournalCodec.word(of: &rest), let time = Int(String(decoding: timeText, as: UTF8.self)),
            (0...Int(UInt32.max)).contains(time)
        else { return .invalid }
        guard kind.elementsEqual(JournalCodec.deleted) else {
            guard let kind = JournalMark.Kind(rawValue: String(decoding: kind, as: UTF8.self)), rest == nil else {
                return .invalid
            }
            return .mark(JournalMark(kind, server: String(decoding: name, as: UTF8.self), time: time))
        }
        guard let user = JournalCodec.unescape(name), let ids = JournalCodec.word(of: &rest), rest == nil,
            let ids = JournalCodec.ids(ids)
        else { return .invalid }
        return .entry(JournalEntry(user: user, ids: ids, time: time))
    }

    /// Takes the octets up to the next blank off the front, and the blank; nil where nothing is left.
    private static func word(of rest: inout Slice<UnsafeRawBufferPointer>?) -> Slice<UnsafeRawBufferPointer>? {
        guard let text = rest else { return nil }
        let end = text.firstIndex(of: blank)
        rest = end.map { text[($0 + 1)...] }
        return text[..<(end ?? text.endIndex)]
    }

    private static func ids(_ text: Slice<UnsafeRawBufferPointer>) -> [UniqueID]? {
        var ids: [UniqueID] = []
        ids.reserveCapacity((text.count + 1) / (UniqueID.length + 1))
        var rest = text
        while true {
            guard let id = UniqueID(octets: rest.prefix(UniqueID.length)) else { return nil }
            ids.append(id)
            rest = rest.dropFirst(UniqueID.length)
            guard let octet = rest.popFirst() else { return ids }
            guard octet == UInt8(ascii: ",") else { return nil }
        }
    }

    private func signature(_ text: Slice<UnsafeRawBufferPointer>) -> UniqueID.Words {
        var code = authentication
        code.update(data: UnsafeRawBufferPointer(rebasing: text))
        return code.finalize().withUnsafeBytes { UniqueID.Words(digest: $0) }
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

    private static func unescape(_ text: Slice<UnsafeRawBufferPointer>) -> String? {
        guard text.contains(UInt8(ascii: "%")) else {
            return text.isEmpty ? nil : String(validating: text, as: UTF8.self)
        }
        var octets: [UInt8] = []
        var rest = text
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
        return String(validating: octets, as: UTF8.self)
    }
}
