internal import Logging
internal import NIOCore

/// What is told of a session in one log line at its end.
struct POP3SessionSummary {
    enum End: String {
        case quit
        /// QUIT, but some deletions could not be carried out or recorded.
        case deletionsFailed = "deletions failed"
        case clientClosed = "client closed"
        case inactive = "client inactive"
        /// Too many bad commands or failed logins.
        case dismissed
        /// A message could not be sent to its end.
        case brokenOff = "message broken off"
        /// More came in clear together with STLS.
        case injected = "clear text after STLS"
        case shutDown = "shut down"
    }

    var client: String
    /// nil: in clear.
    var tls: String?
    /// What went wrong with the client's TLS.
    var fault: String?
    var user: String?
    var servers: [String] = []
    var leftOut: [(server: String, reason: String)] = []
    var messages = 0
    /// Messages that only servers hold which have lost touch.
    var withheld = 0
    var retrieved = 0
    var octets = 0
    var deleted = 0
    /// Deletions that had to be put on record, because a server had missed them or might have.
    var journalEntries = 0
    var refusedLogins = 0
    var end = End.clientClosed

    func log(to logger: Logger) {
        var metadata: Logger.Metadata = [
            "client.address": "\(client)",
            "session.end": "\(end.rawValue)",
        ]
        if let tls { metadata["session.tls"] = "\(tls)" }
        if let fault { metadata["session.fault"] = "\(fault)" }
        if let user { metadata["session.user"] = "\(user)" }
        if refusedLogins > 0 { metadata["session.refused_logins"] = "\(refusedLogins)" }
        if !servers.isEmpty {
            metadata["session.servers"] = "\(servers.joined(separator: ","))"
            metadata["session.messages"] = "\(messages)"
            if withheld > 0 { metadata["session.withheld"] = "\(withheld)" }
            metadata["session.retrieved"] = "\(retrieved)"
            metadata["session.octets"] = "\(octets)"
            metadata["session.deleted"] = "\(deleted)"
            metadata["session.journal_entries"] = "\(journalEntries)"
        }
        if !leftOut.isEmpty {
            metadata["session.left_out"] = "\(leftOut.map { "\($0.server) (\($0.reason))" }.joined(separator: ", "))"
        }
        logger.info("POP3 session ended", metadata: metadata)
    }
}
