internal import NIOCore

/// The line of text of PROXY protocol version 1 (§2.1).
enum ProxyHeaderV1 {
    /// Octets with CRLF: the longest line there can be, which §2.1 says a receiver may count on.
    static let longestLine = 107
    private static let start = Array("PROXY ".utf8)

    static func take(from buffer: inout ByteBuffer) throws(ProxyHeaderError) -> ProxyHeader? {
        let octets = buffer.readableBytesView
        guard octets.prefix(start.count).elementsEqual(start.prefix(octets.count)) else { throw .noHeader }
        guard let end = octets.prefix(longestLine).firstIndex(of: UInt8(ascii: "\n")) else {
            guard octets.count < longestLine else { throw .lineTooLong }
            return nil
        }
        var line = octets[..<end]
        let length = line.count + 1
        guard line.popLast() == UInt8(ascii: "\r") else { throw .badLine }
        guard let text = String(validating: line, as: UTF8.self) else { throw .badLine }
        let header = try header(of: text)
        buffer.moveReaderIndex(forwardBy: length)
        return header
    }

    private static func header(of line: String) throws(ProxyHeaderError) -> ProxyHeader {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        // §2.1: after UNKNOWN everything up to CRLF is to be ignored.
        if words.dropFirst().first == "UNKNOWN" { return .noClient }
        guard words.count == 6, let source = address(words[2], port: words[4]),
            let destination = address(words[3], port: words[5])
        else { throw .badLine }
        switch (words[1], source, destination) {
        case ("TCP4", .v4, .v4), ("TCP6", .v6, .v6): return .client(source)
        default: throw .badLine
        }
    }

    private static func address(_ text: Substring, port: Substring) -> SocketAddress? {
        // §2.1: decimal, no leading zeroes.
        guard port.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            port == "0" || !port.hasPrefix("0"), let number = UInt16(port)
        else { return nil }
        return try? SocketAddress(ipAddress: String(text), port: Int(number))
    }
}
