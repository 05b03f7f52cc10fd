/// One cell of the maildrop matrix: what happened, where it was missed, and through which proxy its user looks afterwards.
/// Each has a user of its own.
struct MaildropCell: Sendable {
    enum What: String, CaseIterable, Sendable {
        case newMessage = "new message"
        case dele = "DELE"
        case several = "DELE of several"
        case rset = "RSET"
        /// A message whose copy for one server is still in a hub's queue is deleted.
        case lateCopy = "late copy"
        /// Deleted on all servers, with their +OK, before another copy comes.
        case lateAfterAll = "late copy after all confirmed"
        /// The same message lies twice on each server.
        case duplicate = "duplicate copy"
        /// Both mailbox servers get yesterday's disk back after the deletion, one after the other.
        case restored = "restored from a backup"
        /// Both mailbox servers get an empty disk after the deletion, one after the other.
        case empty = "empty disk"
    }

    enum Missed: String, CaseIterable, Sendable {
        case serverA = "a"
        case serverB = "b"
        case journalA = "journal of a"
        case journalB = "journal of b"
        case killedBeforeQUIT = "proxy killed before QUIT"
        case killedInQUIT = "proxy killed in QUIT"
        case killedAfterFirstDELE = "proxy killed after the first DELE"
        case killedAfterFirstServer = "proxy killed after the first server's QUIT"

        /// The mailbox server that is down.
        var server: String? { self == .serverA ? "a" : self == .serverB ? "b" : nil }
        /// The mailbox server whose journal can be neither read nor written.
        var journal: String? { self == .journalA ? "a" : self == .journalB ? "b" : nil }
        /// The proxy of the session dies before it answers QUIT.
        var killsProxy: Bool { server == nil && journal == nil }
    }

    let what: What
    let missed: Missed
    /// Where the user looks afterwards. The session in which things go wrong is always at proxy a.
    let proxy: String
    let user: String

    var name: String { "\(what.rawValue), missed: \(missed.rawValue), read at \(proxy)" }
    /// Subjects of the messages that the user marks.
    var marked: [String] {
        switch what {
        case .newMessage: []
        case .dele, .lateAfterAll, .duplicate, .restored, .empty: ["First note"]
        case .several, .rset: ["First note", "Second note"]
        case .lateCopy: ["First note", lateSubject]
        }
    }
    var lateSubject: String { "Late \(missed.rawValue) note" }

    /// All cells that make sense.
    static let all: [MaildropCell] = {
        var cells: [MaildropCell] = []
        for missed in Missed.allCases {
            for what in What.allCases where isSensible(what, missed) {
                for proxy in ["a", "b"] {
                    cells.append(
                        MaildropCell(
                            what: what, missed: missed, proxy: proxy, user: "u\(cells.count + 1)@example.com"))
                }
            }
        }
        return cells
    }()

    private static func isSensible(_ what: What, _ missed: Missed) -> Bool {
        switch (what, missed) {
        // No proxy is on a message's way in.
        case (.newMessage, _): !missed.killsProxy
        // After RSET there is no DELE, and QUIT carries nothing to any server.
        case (.rset, .killedInQUIT), (.rset, .killedAfterFirstDELE), (.rset, .killedAfterFirstServer): false
        // What is down, or was never asked, has not confirmed anything.
        case (.lateAfterAll, _): missed.journal != nil
        // Away longer than `expire` is RealServers.Repair's: it needs a lab where entries are kept for a minute. Where
        // else it might be missed makes no difference: an away server's journal is away with it, and a deletion that no
        // proxy answered leaves nothing to remember for that long.
        default: true
        }
    }
}
