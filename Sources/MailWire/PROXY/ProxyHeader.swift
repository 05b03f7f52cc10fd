public import NIOCore

/// What a load balancer says of a connection before the client's first octet: the header of HAProxy's PROXY protocol,
/// version 1 or 2 (https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt, whose sections are cited here).
///
/// Pure. The header is to be believed from known addresses only: whoever sends it chooses what is in it.
public enum ProxyHeader: Equatable, Sendable {
    /// The balancer passes on a connection from that address.
    case client(SocketAddress)
    /// The balancer speaks for itself (a health check: LOCAL), or tells no address (UNKNOWN, AF_UNSPEC, AF_UNIX): the
    /// connection's own peer is all that is known.
    case noClient

    /// Takes the header off the front of `buffer`; nil when more octets are needed. What follows it is the client's.
    ///
    /// - Throws: as soon as what is there cannot become a header any more. Then nothing of the connection can be trusted.
    public static func take(from buffer: inout ByteBuffer) throws(ProxyHeaderError) -> ProxyHeader? {
        let octets = buffer.readableBytesView
        guard let first = octets.first else { return nil }
        if first == ProxyHeaderV2.signature.first {
            return try ProxyHeaderV2.take(from: &buffer)
        }
        return try ProxyHeaderV1.take(from: &buffer)
    }
}

/// Why a header is none. `description` is for the log.
public enum ProxyHeaderError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Neither of the two versions begins like this.
    case noHeader
    /// The first version's line does not end within `ProxyHeaderV1.longestLine`.
    case lineTooLong
    /// The first version's line has other words than it should.
    case badLine
    case badVersion
    case badCommand
    case badFamily
    /// The addresses do not fit in the length given.
    case tooShort
    /// More than `ProxyHeaderV2.longestRest` octets are announced.
    case tooLong

    public var description: String {
        switch self {
        case .noHeader: "it does not begin with a PROXY header"
        case .lineTooLong: "its PROXY line is too long"
        case .badLine: "its PROXY line cannot be understood"
        case .badVersion: "its PROXY header is of an unknown version"
        case .badCommand: "its PROXY header has an unknown command"
        case .badFamily: "its PROXY header has an unknown address family or no stream protocol"
        case .tooShort: "its PROXY header is too short for its addresses"
        case .tooLong: "its PROXY header is too long"
        }
    }
}
