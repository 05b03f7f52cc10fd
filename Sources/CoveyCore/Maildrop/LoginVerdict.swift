/// What the mailbox servers' answers to a login amount to (design §5, Login).
public enum LoginVerdict: Sendable, Equatable {
    /// Some answer is still due, and matters.
    case undecided
    /// The session goes on with the servers that accepted.
    case accepted
    /// The credentials are wrong.
    case refused
    /// No server can tell.
    case unavailable

    /// One server's answer.
    public enum Answer: Sendable, Equatable {
        case pending
        case accepted
        /// It refused the credentials.
        case refused
        /// Down, slow, or with a passing fault: left out of this session.
        case leftOut
    }

    /// - Parameters:
    ///   - answers: one for each configured server.
    ///   - auth: `all`: one refusal refuses the login; `any`: one acceptance is enough.
    public init(_ answers: [Answer], auth: ClusterConfiguration.POP3.Auth) {
        let isRefused = answers.contains(.refused)
        switch auth {
        case .all where isRefused: self = .refused
        case .all, .any:
            if answers.contains(.pending) {
                self = .undecided
            } else if answers.contains(.accepted) {
                self = .accepted
            } else {
                self = isRefused ? .refused : .unavailable
            }
        }
    }
}
