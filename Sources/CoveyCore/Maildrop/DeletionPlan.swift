/// What QUIT has to do on each server for the messages that the user marked (design §5).
public struct DeletionPlan: Sendable, Equatable {
    /// Ids of the marked messages, in the maildrop's order.
    public let ids: [MaildropID]
    /// Message numbers to DELE on each server of the session, ascending; copies of messages deleted earlier included. Servers that hold no copy are not in it.
    public let numbers: [Int: [Int]]
    /// Whether a server is known to be missed: it is not there to be told, or it holds no copy of a marked message yet,
    /// and one may still be on its way to it. That needs a record before anything is removed.
    public let needsRecordFirst: Bool

    /// - Parameters:
    ///   - marked: indices of marked messages.
    ///   - servers: indices of all configured servers.
    ///   - alive: those whose session still stands.
    public init(maildrop: MergedMaildrop, marked: [Int], servers: some Sequence<Int>, alive: Set<Int>) {
        var numbers: [Int: [Int]] = [:]
        var isMissedSomewhere = false
        for message in marked {
            var holders: Set<Int> = []
            for copy in maildrop.copies(of: message) where alive.contains(copy.server) {
                numbers[copy.server, default: []].append(copy.number)
                holders.insert(copy.server)
            }
            if servers.contains(where: { !holders.contains($0) }) { isMissedSomewhere = true }
        }
        // What earlier sessions deleted, and a late copy brought back, goes at the same occasion.
        for copy in maildrop.hiddenCopies where alive.contains(copy.server) {
            numbers[copy.server, default: []].append(copy.number)
        }
        self.ids = marked.map { maildrop.ids[$0] }
        self.numbers = numbers.mapValues { $0.sorted() }
        self.needsRecordFirst = isMissedSomewhere
    }
}
