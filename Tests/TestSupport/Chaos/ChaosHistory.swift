/// Something that a sender or a mail program did or saw while hosts died around it.
public struct ChaosEvent: Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// A hub said 250 to a message: the promise.
        case accepted(message: Int)
        /// 4xx, or no answer at all: the sender tries again.
        case putOff(message: Int, String)
        /// 5xx.
        case refused(message: Int, String)
        /// A maildrop as UIDL showed it.
        case listed([String])
        /// A message that came to its final dot; nil when its octets are those of no message that was sent.
        case fetched(String, message: Int?)
        /// +OK to a QUIT.
        case deleted([String])
        /// A QUIT with deletions had another answer, or none: they may stand or not.
        case notDeleted([String], String)
        /// What was broken or repaired.
        case fault(String)
    }

    /// Seconds since the beginning: when it was over, and when it began (a session: its login).
    public var time: Double
    public var begin: Double
    /// Empty for faults.
    public var user: String
    /// The hub or proxy, or the host that the fault befell.
    public var place: String
    public var kind: Kind

    public init(_ kind: Kind, user: String = "", at place: String, time: Double, begin: Double? = nil) {
        self.kind = kind
        self.user = user
        self.place = place
        self.time = time
        self.begin = begin ?? time
    }

    public var description: String {
        let what =
            switch kind {
            case .accepted(let message): "message \(message) accepted"
            case .putOff(let message, let reason): "message \(message) put off: \(reason)"
            case .refused(let message, let reason): "message \(message) refused: \(reason)"
            case .listed(let ids): "\(ids.count) messages listed"
            case .fetched(let id, let message):
                "\(id) fetched: \(message.map { "message \($0)" } ?? "no message of ours")"
            case .deleted(let ids): "\(ids) deleted"
            case .notDeleted(let ids, let reason): "\(ids) perhaps deleted: \(reason)"
            case .fault(let text): text
            }
        let seconds = Int(time * 10)
        return "\(seconds / 10).\(seconds % 10) s \(place)\(user.isEmpty ? "" : " \(user)"): \(what)"
    }

    /// The message it tells of.
    var message: Int? {
        switch kind {
        case .accepted(let message), .putOff(let message, _), .refused(let message, _): message
        case .fetched(_, let message): message
        case .listed, .deleted, .notDeleted, .fault: nil
        }
    }

    /// The message that a sender offered, and that may have been stored, whatever the answer.
    var offered: Int? {
        switch kind {
        case .accepted(let message), .putOff(let message, _): message
        case .refused, .listed, .fetched, .deleted, .notDeleted, .fault: nil
        }
    }

    /// The unique-ids it tells of.
    var ids: [String] {
        switch kind {
        case .listed(let ids), .deleted(let ids), .notDeleted(let ids, _): ids
        case .fetched(let id, _): [id]
        case .accepted, .putOff, .refused, .fault: []
        }
    }
}

/// What one place holds for one user when all is over.
public struct ChaosView: Sendable {
    /// "proxy a", or "server a" for its own disk.
    public var place: String
    public var user: String
    /// Each message's unique-id, and which message it is; nil when it is none that was sent.
    public var messages: [(id: String, message: Int?)]

    public init(place: String, user: String, messages: [(id: String, message: Int?)]) {
        self.place = place
        self.user = user
        self.messages = messages
    }
}
