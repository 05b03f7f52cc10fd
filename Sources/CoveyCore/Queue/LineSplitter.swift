/// Makes lines of a program's output as it comes, in bounded memory.
public struct LineSplitter: Sendable {
    private let limit: Int
    private var part: [UInt8] = []
    private var isSkipping = false
    /// Lines that were longer than the limit, and dropped.
    public private(set) var tooLong = 0

    /// - Parameter limit: octets of the longest line.
    public init(limit: Int) {
        self.limit = limit
    }

    /// - Parameters:
    ///   - piece: the next octets.
    ///   - line: called with each line that ends in it, without its newline.
    public mutating func take(_ piece: ArraySlice<UInt8>, _ line: (ArraySlice<UInt8>) -> Void) {
        var rest = piece
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            if isSkipping {
                isSkipping = false
            } else if part.isEmpty, end - rest.startIndex <= limit {
                line(rest[..<end])
            } else if keep(rest[..<end]) {
                line(part[...])
            } else {
                isSkipping = false
            }
            part.removeAll(keepingCapacity: true)
            rest = rest[rest.index(after: end)...]
        }
        if !isSkipping, !keep(rest) { part = [] }
    }

    /// Whether the output ended in the middle of a line.
    public var isInLine: Bool { !part.isEmpty || isSkipping }

    /// False, and counted, when the line has become too long.
    private mutating func keep(_ octets: ArraySlice<UInt8>) -> Bool {
        guard part.count + octets.count <= limit else {
            tooLong += 1
            isSkipping = true
            return false
        }
        part += octets
        return true
    }
}
