/// A text that must never reach a log or a terminal: printing it gives `***`.
public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text itself.
    public let exposed: String

    public init(_ text: String) {
        self.exposed = text
    }

    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// The cluster key: the HMAC-SHA-256 key for ids and journal entries, 32 octets or more.
public struct ClusterKey: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable
{
    /// Fewest octets a key file may hold: the output size of the hash (RFC 2104 §3).
    public static let minimumLength = 32

    public let octets: [UInt8]

    public init(octets: [UInt8]) {
        precondition(octets.count >= ClusterKey.minimumLength, "the loader refuses short keys")
        self.octets = octets
    }

    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
