/// What a server offers in reply to LHLO or EHLO (RFC 5321 §4.1.1.1), as far as it matters here.
public struct SMTPCapabilities: Sendable, Equatable {
    /// RFC 2920
    public var pipelining = false
    /// RFC 3030: BDAT
    public var chunking = false
    /// RFC 6152
    public var eightBitMIME = false
    /// RFC 1870
    public var size = false
    /// RFC 3207
    public var startTLS = false
    /// Attributes that XCLIENT takes, empty if it is not offered.
    public var xclient: [String] = []

    public init() {}

    public init(hello reply: SMTPReply) {
        // The first line is the server's name; each further one is a keyword with parameters, in any case.
        for line in reply.lines.dropFirst() {
            let words = line.uppercased().split(separator: " ").map(String.init)
            switch words.first {
            case "PIPELINING": pipelining = true
            case "CHUNKING": chunking = true
            case "8BITMIME": eightBitMIME = true
            case "SIZE": size = true
            case "STARTTLS": startTLS = true
            case "XCLIENT": xclient = Array(words.dropFirst())
            default: break
            }
        }
    }
}
