/// A message's id in the cluster: `cv1…` for a stamped one, `cv0…` for another.
public typealias MaildropID = String

/// What one mailbox server holds for one user, as its POP3 session shows it.
public struct ServerListing: Sendable, Equatable {
    public struct Message: Sendable, Equatable {
        /// Message number in the session with that server, from 1.
        public let number: Int
        public let id: MaildropID
        /// Size as that server's LIST says.
        public let octets: Int

        public init(number: Int, id: MaildropID, octets: Int) {
            self.number = number
            self.id = id
            self.octets = octets
        }
    }

    /// Index of the server in the configuration, from 0.
    public let server: Int
    /// In the server's order.
    public let messages: [Message]

    public init(server: Int, messages: [Message]) {
        self.server = server
        self.messages = messages
    }
}
