/// The SMTP client that brought a message, as a mailbox server's log should name it.
public struct SendingClient: Sendable, Equatable {
    /// An IPv4 or IPv6 address in its usual text form.
    public var address: String
    /// What the client called itself; empty if it did not.
    public var helo: String

    public init(address: String, helo: String) {
        self.address = address
        self.helo = helo
    }

    /// The XCLIENT command (Postfix's XCLIENT_README) with the attributes that a server takes; nil if it does not take
    /// the address.
    ///
    /// - Parameter attributes: as offered in reply to the hello, in capitals.
    func xclient(_ attributes: [String]) -> String? {
        let isAddress = !address.isEmpty && address.utf8.allSatisfy { SendingClient.isPlain($0) }
        guard attributes.contains("ADDR"), isAddress else { return nil }
        var command = "XCLIENT ADDR=" + (address.contains(":") ? "IPV6:" : "") + address
        // Attribute values are xtext; a name that would need it says nothing worth the trouble.
        let isName = !helo.isEmpty && helo.utf8.count <= 255 && helo.utf8.allSatisfy { SendingClient.isPlain($0) }
        if attributes.contains("HELO"), isName { command += " HELO=" + helo }
        return command
    }

    /// Letters, digits and what else is in names, addresses and address literals.
    private static func isPlain(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: ":"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "["), UInt8(ascii: "]"):
            true
        default: false
        }
    }
}
