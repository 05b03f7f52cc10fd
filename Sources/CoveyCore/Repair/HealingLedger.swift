/// A copy that a mailbox server does not list while others do.
public struct LackingCopy: Sendable, Hashable {
    public let id: MaildropID
    /// Name of the server that lacks it.
    public let server: String

    public init(id: MaildropID, server: String) {
        self.id = id
        self.server = server
    }
}

/// Since when copies are lacking, and when it is time to make them anew (design §7).
///
/// Pure. What counts is the lacking server's own time up: the hubs' queues bring it what it missed, and they get
/// `heal_after` for that after each outage, however long the outage was. The ledger is a cache: a proxy that starts anew
/// waits anew.
public struct HealingLedger: Sendable {
    /// About 20 MB. What does not fit waits until something else is done.
    public static let mostCopies = 100_000
    /// A user who does not come back makes room after this time.
    public static let forgetAfter = Duration.seconds(7 * 86_400)
    /// Wait after a try that failed, doubled with each further one.
    public static let firstWait = Duration.seconds(3_600)
    public static let longestWait = Duration.seconds(86_400)

    private struct Entry {
        /// On the clock of the server's time up.
        var dueAt: Duration
        var notedAt: Duration
        var tries = 0
    }

    private struct User {
        var copies: [LackingCopy: Entry] = [:]
        var lastSession: Duration
    }

    private let healAfter: Duration
    private let mostCopies: Int
    private var users: [String: User] = [:]
    /// Copies in the ledger.
    public private(set) var count = 0

    /// - Parameter healAfter: how long a server must have been up without the copy.
    public init(healAfter: Duration, mostCopies: Int = mostCopies) {
        self.healAfter = healAfter
        self.mostCopies = mostCopies
    }

    /// Whether a session in which nothing was lacking need not be told.
    public var isEmpty: Bool { users.isEmpty }

    /// Takes what a session saw.
    ///
    /// - Parameters:
    ///   - asked: servers whose listings the session had: what was lacking there before and is not named now is done.
    ///   - uptime: each server's time up, as far as it was watched. A server without one is left alone.
    ///   - now: on any clock that does not go back.
    /// - Returns: the copies to be made now.
    public mutating func note(
        _ user: String, lacking: [LackingCopy], asked: Set<String>, uptime: [String: Duration], now: Duration
    ) -> [LackingCopy] {
        guard !lacking.isEmpty || users[user] != nil else { return [] }
        var entry = users[user] ?? User(lastSession: now)
        entry.lastSession = now
        count -= entry.copies.count
        let wanted = Set(lacking)
        entry.copies = entry.copies.filter { !asked.contains($0.key.server) || wanted.contains($0.key) }
        count += entry.copies.count
        users[user] = entry
        if count + lacking.count > mostCopies { forget(before: now - HealingLedger.forgetAfter) }

        var due: [LackingCopy] = []
        for copy in lacking {
            guard let uptime = uptime[copy.server] else { continue }
            if let known = entry.copies[copy], known.notedAt <= uptime {
                if known.dueAt <= uptime { due.append(copy) }
                continue
            }
            // New, or the watch over the server began anew.
            guard entry.copies[copy] != nil || count < mostCopies else { continue }
            let isNew = entry.copies.updateValue(Entry(dueAt: uptime + healAfter, notedAt: uptime), forKey: copy) == nil
            if isNew { count += 1 }
            if healAfter <= .zero { due.append(copy) }
        }
        users[user] = entry.copies.isEmpty ? nil : entry
        return due
    }

    /// The server has the copy now, or it need not have it.
    public mutating func done(_ user: String, _ copy: LackingCopy) {
        guard users[user]?.copies.removeValue(forKey: copy) != nil else { return }
        count -= 1
        if users[user]?.copies.isEmpty ?? false { users[user] = nil }
    }

    /// A try failed: the next one comes later.
    public mutating func failed(_ user: String, _ copy: LackingCopy, uptime: Duration) {
        guard var entry = users[user]?.copies[copy] else { return }
        var wait = HealingLedger.firstWait
        for _ in 0..<entry.tries where wait < HealingLedger.longestWait { wait *= 2 }
        entry.tries += 1
        entry.dueAt = uptime + min(wait, HealingLedger.longestWait)
        users[user]?.copies[copy] = entry
    }

    private mutating func forget(before time: Duration) {
        for (name, user) in users where user.lastSession < time {
            count -= user.copies.count
            users[name] = nil
        }
    }
}
