internal import CoveyCore
internal import MailWire
internal import NIOCore

/// What a connection meets before its session: the limits, a balancer's PROXY header, TLS.
struct POP3Admission {
    let shared: POP3Shared
    let registry: POP3ConnectionRegistry
    /// Whether TLS begins with the connection (RFC 8314).
    let isImplicit: Bool

    private enum Refused: Error { case noCertificate }

    /// Makes the pipeline of a connection that was accepted.
    func prepare(_ channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        let isAdmitted = registry.admit(channel)
        shared.statistics.count { $0.countConnection(isAccepted: isAdmitted) }
        guard isAdmitted else { return try pipeline.addHandlers(refusal()) }
        let peer = channel.remoteAddress
        guard let address = peer?.addressForXCLIENT.flatMap({ IPAddress($0) }),
            shared.settings.proxyProtocolFrom.contains(address)
        else {
            return try pipeline.addHandlers(handlers(channel, ClientOrigin(peer: peer, header: nil)))
        }
        let bound = NIOLoopBound(channel, eventLoop: channel.eventLoop)
        try pipeline.addHandler(
            ProxyHeaderHandler(patience: shared.settings.times.proxyHeader, logger: shared.logger) { header in
                try handlers(bound.value, ClientOrigin(peer: peer, header: header))
            })
    }

    private func handlers(_ channel: any Channel, _ origin: ClientOrigin) throws -> [any ChannelHandler] {
        guard shared.limits.admit(channel, from: origin, maxConnections: shared.settings.maxConnections) else {
            return refusal()
        }
        guard isImplicit else {
            return [
                POP3ClientHandler(
                    shared: shared, origin: origin, tls: shared.settings.clientTLS == nil ? .unavailable : .offered)
            ]
        }
        // The listener has stayed, but a reload has taken the certificate away.
        guard let tls = shared.settings.clientTLS else { throw Refused.noCertificate }
        return tls.handlers() + [POP3ClientHandler(shared: shared, origin: origin, tls: .active)]
    }

    /// Where TLS is expected, no words: they would cost a handshake, or arrive as rubbish.
    private func refusal() -> [any ChannelHandler] { [POP3RejectHandler(hasWords: !isImplicit)] }
}
