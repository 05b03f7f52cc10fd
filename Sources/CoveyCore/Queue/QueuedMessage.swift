/// A message in Postfix's queue, as one line of `postqueue -j` tells of it (postqueue(1), "JSON object format").
public struct QueuedMessage: Sendable, Equatable {
    public struct Recipient: Sendable, Equatable {
        public var address: String
        /// Why the last try failed; nil before the first one, and while one is under way.
        public var delayReason: String?

        public init(address: String, delayReason: String?) {
            self.address = address
            self.delayReason = delayReason
        }
    }

    public var queueID: String
    /// Seconds since 1970.
    public var arrival: Int
    /// A bounce, which may have a time of its own in the queue (bounce_queue_lifetime).
    public var isFromNobody: Bool
    /// `postsuper -e`: the next failure is the end.
    public var isToExpire: Bool
    public var recipients: [Recipient]

    public init(queueID: String, arrival: Int, isFromNobody: Bool, isToExpire: Bool, recipients: [Recipient]) {
        self.queueID = queueID
        self.arrival = arrival
        self.isFromNobody = isFromNobody
        self.isToExpire = isToExpire
        self.recipients = recipients
    }

    /// - Parameter line: without its newline. Nil when it is not what postqueue prints: members that are not known here
    ///   are allowed, those that are needed must be there.
    public init?(postqueueLine line: some Sequence<UInt8>) {
        guard let object = JSONValue(line), let queueID = object["queue_id"]?.string,
            let arrival = object["arrival_time"]?.number, let sender = object["sender"]?.string,
            let list = object["recipients"]?.array
        else { return nil }
        var recipients: [Recipient] = []
        for element in list {
            guard let address = element["address"]?.string else { return nil }
            recipients.append(Recipient(address: address, delayReason: element["delay_reason"]?.string))
        }
        self.init(
            queueID: queueID, arrival: arrival, isFromNobody: sender == "MAILER-DAEMON" || sender.isEmpty,
            isToExpire: object["forced_expire"] == .bool(true), recipients: recipients)
    }

    /// The missing copies among its recipients (design §4.2).
    public var missingCopies: [MissingCopy] {
        recipients.compactMap { recipient in
            MissingCopy.server(of: recipient.address).map { server in
                MissingCopy(
                    key: .init(queueID: queueID, arrival: arrival, recipient: recipient.address), server: server,
                    reason: recipient.delayReason, isFromNobody: isFromNobody, isToExpire: isToExpire)
            }
        }
    }
}
