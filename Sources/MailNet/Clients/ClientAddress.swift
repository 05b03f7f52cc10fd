internal import Glibc
internal import MailWire
internal import NIOCore

/// What one client is counted by: an IPv4 address, or the /64 of an IPv6 address, since a single host has all of that to
/// choose from (RFC 7934 §3).
enum ClientAddress: Hashable {
    case v4(UInt32)
    case v6Network(UInt64)

    /// Nil for an address that is no IP address.
    init?(_ address: SocketAddress) {
        // An IPv4 client of a dual-stack listener comes out as IPv4.
        guard let text = address.addressForXCLIENT else { return nil }
        var four = UInt32(0)
        var sixteen = (UInt64(0), UInt64(0))
        if inet_pton(AF_INET, text, &four) == 1 {
            self = .v4(UInt32(bigEndian: four))
        } else if inet_pton(AF_INET6, text, &sixteen) == 1 {
            self = .v6Network(UInt64(bigEndian: sixteen.0))
        } else {
            return nil
        }
    }
}

/// Who is at the other end of a connection.
struct ClientOrigin {
    /// For the log and for XCLIENT: the client's own, or the balancer's where that is all that is known.
    let address: SocketAddress?
    /// What limits are counted by; nil for a balancer that speaks for itself: it has none.
    let counted: ClientAddress?

    /// - Parameters:
    ///   - peer: of the connection.
    ///   - header: what a balancer that is to be believed has said; nil where there is none.
    init(peer: SocketAddress?, header: ProxyHeader?) {
        switch header {
        case .client(let client)?:
            address = client
            counted = ClientAddress(client)
        case .noClient?:
            address = peer
            counted = nil
        case nil:
            address = peer
            counted = peer.flatMap { ClientAddress($0) }
        }
    }
}
