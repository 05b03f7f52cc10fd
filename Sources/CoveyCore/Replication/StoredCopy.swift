/// A copy of a message as a mailbox server gave it: what is copied to another server, and whether it can be believed.
public struct StoredCopy: Sendable, Equatable {
    /// The header section with its empty line, lines ending in CRLF; without the Return-Path that the server added.
    public let header: [UInt8]
    public let body: [UInt8]
    private let fields: [HeaderField]

    /// - Parameter octets: the whole message, lines ending in CRLF, without dot-stuffing.
    public init(_ octets: [UInt8]) {
        var header: [UInt8] = []
        var fields: [HeaderField] = []
        var isReturnPath = false
        var rest = octets[...]
        var isComplete = false
        while !isComplete, !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.endIndex
            let line = rest[..<end]
            rest = rest[end...]
            let text = StoredCopy.withoutLineEnd(line)
            guard let first = text.first else {
                isComplete = true
                header += line
                break
            }
            if first == UInt8(ascii: " ") || first == UInt8(ascii: "\t") {
                if let last = fields.indices.last { fields[last].value += [UInt8(ascii: "\n")] + text }
            } else {
                let colon = text.firstIndex(of: UInt8(ascii: ":")) ?? text.endIndex
                let field = HeaderField(name: Array(text[..<colon]), value: Array(text[colon...].dropFirst()))
                // RFC 5321 §4.4: the delivering server puts it on top; it will put another on the copy.
                isReturnPath = fields.isEmpty && field.isNamed("return-path")
                if !isReturnPath { fields.append(field) }
            }
            if !isReturnPath { header += line }
        }
        self.header = header
        self.body = Array(rest)
        self.fields = fields
    }

    /// The first stamp of ours in it.
    public var stamp: UniqueID? {
        for field in fields where field.isNamed("x-uidl") {
            if let id = UniqueID(stamp: String(decoding: field.value, as: UTF8.self).filter { !$0.isWhitespace }) {
                return id
            }
        }
        return nil
    }

    /// Whether it has a Message-ID: an unstamped message without one has another id on every server.
    public var hasMessageID: Bool {
        fields.contains { $0.isNamed("message-id") && $0.value.contains { !$0.isHeaderWhiteSpace } }
    }

    /// Whether the id is that of this content: the HMAC with the topmost 0 to 4 Received fields, which our own hops may
    /// have added, left out (design §3).
    public func verifies(_ id: UniqueID, key: ClusterKey) -> Bool {
        for left in 0...StoredCopy.mostOwnHops {
            var hasher = ContentHasher(key: key)
            var received = 0
            for field in fields {
                if field.isNamed("received") {
                    received += 1
                    if received <= left { continue }
                }
                hasher.add(field)
            }
            hasher.endHeader()
            body.withUnsafeBytes { hasher.addBody($0) }
            if hasher.finish() == id { return true }
            if received < left { break }
        }
        return false
    }

    private static let mostOwnHops = 4

    private static func withoutLineEnd(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line
        if line.last == UInt8(ascii: "\n") { line.removeLast() }
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return line
    }
}
