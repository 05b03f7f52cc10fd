/// Finds the end of a multi-line response in raw octets and counts what they amount to without dot-stuffing.
///
/// The octets themselves are never copied or changed. RFC 1939 §3: a response ends with a line that is one dot; a line
/// that begins with a dot has another put before it. A line begins after CRLF.
public struct POP3BodyScanner: Sendable {
    private enum State: UInt8 {
        /// At the first octet of a line.
        case lineStart
        /// After a dot at the start of a line.
        case dot
        /// After dot and CR at the start of a line.
        case dotCR
        case text
        /// After a CR within a line.
        case cr
    }

    private var state = State.lineStart
    /// Octets of the message seen so far, with stuffed dots and the end not counted.
    public private(set) var octets = 0

    public init() {}

    public struct Progress: Equatable, Sendable {
        /// Octets held back earlier (a dot, or dot and CR) that turn out to belong to the message: they come first.
        public var released: Released
        /// Octets at the front of what was scanned that belong to the message, as they are.
        public var content: Int
        /// Octets of what was scanned, including those of the end or held back.
        public var consumed: Int
        public var isAtEnd: Bool
    }

    public enum Released: Equatable, Sendable {
        case nothing
        case dot
        case dotCR
    }

    /// Looks at the next octets of the response. After the end it must not be called again.
    public mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Progress {
        var index = 0
        let count = bytes.count
        var released = Released.nothing
        /// Where an undecided dot at the start of a line stands in `bytes`; nil if it came with earlier octets.
        var undecided: Int? = nil
        let held: Released = state == .dot ? .dot : state == .dotCR ? .dotCR : .nothing
        while index < count {
            let octet = bytes[index]
            switch state {
            case .lineStart:
                if octet == 0x2e {
                    undecided = index
                    state = .dot
                } else {
                    octets += 1
                    state = octet == 0x0d ? .cr : .text
                }
                index += 1
            case .text:
                // Runs of text are the bulk of all mail: nothing but CR matters in them.
                let start = index
                index = bytes.firstCarriageReturn(from: start)
                octets += index - start
                if index < count {
                    octets += 1
                    index += 1
                    state = .cr
                }
            case .cr:
                octets += 1
                index += 1
                state = octet == 0x0a ? .lineStart : octet == 0x0d ? .cr : .text
            case .dot:
                if octet == 0x0d {
                    state = .dotCR
                } else {
                    // A stuffed dot: on the wire it stays, in the count it does not. (A dot that a careless server did
                    // not double is told from one by nothing, and treated the same by every client.)
                    if undecided == nil { released = held }
                    octets += 1
                    state = .text
                    undecided = nil
                }
                index += 1
            case .dotCR:
                if octet == 0x0a {
                    let content = undecided ?? 0
                    state = .lineStart
                    return Progress(released: released, content: content, consumed: index + 1, isAtEnd: true)
                }
                // Dot, CR and something else: text after all, its dot a stuffed one.
                if undecided == nil { released = held }
                octets += 2
                index += 1
                state = octet == 0x0d ? .cr : .text
                undecided = nil
            }
        }
        let content: Int
        if state == .dot || state == .dotCR {
            content = undecided ?? 0
        } else {
            content = count
        }
        return Progress(released: released, content: content, consumed: count, isAtEnd: false)
    }
}

extension UnsafeRawBufferPointer {
    /// Place of the first CR from `start` on; `count` if there is none.
    fileprivate func firstCarriageReturn(from start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var index = start
        // Eight octets at a time. Without borrows from lower ones, the top bit of an octet of `found` is set where the
        // octet of `difference` is zero; a borrow can set one only above the first of these.
        while index + 8 <= count {
            let difference = UInt64(littleEndian: loadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ (0x0d * ones)
            let found = (difference &- ones) & ~difference & (0x80 * ones)
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < count, self[index] != 0x0d { index += 1 }
        return index
    }
}
