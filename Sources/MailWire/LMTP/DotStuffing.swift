public import NIOCore

/// Frames a message for DATA (RFC 5321 §4.5.2): a line that begins with a dot gets a second one, and a line with a
/// single dot ends it all.
///
/// A line here begins after any line feed, not only after CRLF: a server that takes a bare LF for a line end would
/// otherwise see the end of the message where there is none (SMTP smuggling).
public struct DotStuffing: Sendable {
    private var atLineStart = true
    private var lastOctet: UInt8 = 0
    private var lastButOne: UInt8 = 0

    public init() {}

    /// The next piece of the message, framed. A piece that needs no dots comes back as it is, not copied.
    public mutating func frame(_ piece: ByteBuffer) -> ByteBuffer {
        guard piece.readableBytes > 0 else { return piece }
        let places = self.places(in: piece)
        remember(piece)
        guard !places.isEmpty else { return piece }
        var framed = ByteBuffer()
        framed.reserveCapacity(piece.readableBytes + places.count)
        var rest = piece
        var done = 0
        for place in places {
            if var slice = rest.readSlice(length: place - done) { framed.writeBuffer(&slice) }
            framed.writeInteger(UInt8(ascii: "."))
            done = place
        }
        framed.writeBuffer(&rest)
        return framed
    }

    /// What ends the message: the line end that its last line lacks, if it does, and the dot.
    public func end() -> String {
        lastButOne == UInt8(ascii: "\r") && lastOctet == UInt8(ascii: "\n") ? ".\r\n" : "\r\n.\r\n"
    }

    /// Offsets of the dots that need another one before them.
    private func places(in piece: ByteBuffer) -> [Int] {
        var places: [Int] = []
        let octets = piece.readableBytesView
        var start = octets.startIndex
        if !atLineStart { start = endOfLine(octets, from: start) }
        while start < octets.endIndex {
            if octets[start] == UInt8(ascii: ".") { places.append(start - octets.startIndex) }
            start = endOfLine(octets, from: start)
        }
        return places
    }

    /// The index after the line feed that ends the line, or the end of the octets.
    private func endOfLine(_ octets: ByteBufferView, from start: Int) -> Int {
        octets[start...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? octets.endIndex
    }

    private mutating func remember(_ piece: ByteBuffer) {
        for octet in piece.readableBytesView.suffix(2) {
            lastButOne = lastOctet
            lastOctet = octet
        }
        atLineStart = lastOctet == UInt8(ascii: "\n")
    }
}
