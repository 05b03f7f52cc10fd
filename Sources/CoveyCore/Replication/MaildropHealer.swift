/// What a session saw of copies that some servers lack, and how its maildrops can be opened once more.
public struct HealingRequest: Sendable {
    /// Mailbox address, lower-case.
    public let user: String
    /// Servers whose listings the session had.
    public let asked: Set<String>
    /// In the maildrop's order.
    public let lacking: [LackingCopy]
    /// The servers of the session, with the user's own login. Kept no longer than it takes to make the copies.
    public let maildrops: [any MaildropReader]

    public init(user: String, asked: Set<String>, lacking: [LackingCopy], maildrops: [any MaildropReader]) {
        self.user = user
        self.asked = asked
        self.lacking = lacking
        self.maildrops = maildrops
    }
}

/// Makes copies anew that a server has lost (design §7).
public protocol MaildropHealer: Sendable {
    /// A session is over. Returns at once; what is to be done is done behind it.
    func sessionEnded(_ request: HealingRequest)
}

/// Leaves everything to `covey resync`.
public struct NoHealer: MaildropHealer {
    public init() {}

    public func sessionEnded(_ request: HealingRequest) {}
}
