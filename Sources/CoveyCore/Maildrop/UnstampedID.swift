internal import Crypto

/// Ids of messages as a mailbox server shows them (design §3).
public enum UnstampedID {
    /// Header fields that tell one unstamped message from another.
    static let fields = ["message-id", "date", "from", "to", "cc", "subject"]

    /// Whether a unique-id is one of our stamps.
    public static func isStamp(_ uniqueID: String) -> Bool {
        UniqueID(stamp: uniqueID) != nil
    }

    /// The id of a message whose server does not show a stamp as unique-id: the stamp in its header, or else a `cv0` id.
    ///
    /// A message with a Message-ID gets the same `cv0` id on every server; one without merges with nothing, so the
    /// server's name and its own unique-id go into the hash.
    /// - Parameters:
    ///   - header: the header section, as TOP n 0 gives it, without dot-stuffing.
    ///   - bodyOctets: size of the message without its header section.
    ///   - server: name of the mailbox server.
    ///   - uniqueID: what its UIDL says.
    public static func make(
        key: ClusterKey, header: HeaderFields, bodyOctets: Int, server: String, uniqueID: String
    ) -> MaildropID {
        if let stamp = header.values(of: "x-uidl").first(where: isStamp) { return stamp }
        // Each item ends with LF, which no item can hold: different items never give the same text.
        var text = "covey unstamped\n"
        for name in fields {
            for value in header.values(of: name) { text += "\(name):\(value)\n" }
        }
        text += "body:\(bodyOctets)\n"
        if !header.values(of: "message-id").contains(where: { !$0.isEmpty }) {
            text += "server:\(server)\nunique-id:\(uniqueID)\n"
        }
        let code = HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: SymmetricKey(data: key.octets))
        return UniqueID(kind: .unstamped, digest: code).description
    }
}
