/// Takes the dots away that RFC 1939 §3 has a server put before lines that begin with one.
public struct POP3Unstuffing: Sendable {
    /// The last two octets were CRLF, or there were none.
    private var isLineStart = true
    private var lastWasCR = false

    public init() {}

    public mutating func append(_ octets: some Collection<UInt8>, to message: inout [UInt8]) {
        message.reserveCapacity(message.count + octets.count)
        for octet in octets {
            if isLineStart, octet == UInt8(ascii: ".") {
                isLineStart = false
                lastWasCR = false
                continue
            }
            message.append(octet)
            isLineStart = lastWasCR && octet == UInt8(ascii: "\n")
            lastWasCR = octet == UInt8(ascii: "\r")
        }
    }
}
