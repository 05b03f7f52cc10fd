public import NIOCore

/// The ways in which octets may arrive: all at once, one by one, and cut in two at every place.
public func everySplit(_ octets: [UInt8]) -> [[ByteBuffer]] {
    var ways = [[ByteBuffer(bytes: octets)], octets.map { ByteBuffer(bytes: [$0]) }]
    for place in octets.indices.dropFirst() {
        ways.append([ByteBuffer(bytes: octets[..<place]), ByteBuffer(bytes: octets[place...])])
    }
    return ways
}
