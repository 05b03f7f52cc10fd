public import CoveyCore
internal import MailWire
internal import NIOCore
internal import NIOSSL

/// How connections to one mailbox server are encrypted: `tls`, `ca_file` and `verify` of the configuration.
///
/// Made once for a server: the context holds the certificates of all authorities.
public struct ServerTLS: Sendable {
    /// A `ca_file` that holds no certificate.
    public struct UnusableCertificates: Error, CustomStringConvertible {
        public var description: String
    }

    /// Whether TLS begins with the connection (RFC 8314) or after a command (RFC 3207, RFC 2595).
    let isImplicit: Bool
    private let context: NIOSSLContext

    /// - Returns: nil for `tls = "none"`. Throws `UnusableCertificates`.
    public init?(_ server: ClusterConfiguration.MailboxServer) throws {
        guard server.tls != .none else { return nil }
        isImplicit = server.tls == .implicit
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12  // RFC 8996
        configuration.certificateVerification = server.verify ? .fullVerification : .none
        if let file = server.caFile { configuration.trustRoots = .file(file) }
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw UnusableCertificates(
                description: "mailbox[\(server.name)].ca_file: \(server.caFile ?? "the system's certificates"):"
                    + " no certificate can be read from it; it takes certificates in PEM format")
        }
    }

    /// The handlers that make a connection an encrypted one, to be put first in its pipeline, in this order. After them
    /// comes what a server says on a fresh connection.
    ///
    /// - Parameters:
    ///   - host: the name or address that the certificate must be for (RFC 6125; an address as a subject alternative name).
    ///   - dialect: what is said before TLS.
    func handlers(host: String, _ dialect: TLSUpgrade.Dialect) throws -> [any ChannelHandler] {
        // RFC 6066 §3: an address is no server name. NIOSSL then compares the peer's address.
        let name = (try? SocketAddress(ipAddress: host, port: 0)) == nil ? host : nil
        let tls = try NIOSSLClientHandler(context: context, serverHostname: name)
        return isImplicit ? [tls] : [TLSUpgradeHandler(dialect, tls: tls)]
    }
}
