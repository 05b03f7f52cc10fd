internal import Crypto

/// A running SHA-256 over a message's body, to tell whether another server's copy goes on where the first broke off.
public struct BodyDigest: Sendable {
    private var hash = SHA256()
    /// Octets taken in.
    public private(set) var octets = 0

    public init() {}

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        hash.update(bufferPointer: bytes)
        octets += bytes.count
    }

    /// Whether the same octets were taken in by both.
    public func agrees(with other: BodyDigest) -> Bool {
        octets == other.octets && hash.finalize() == other.hash.finalize()
    }
}
