public import CoveyCore
internal import MailWire
public import NIOCore

/// Asks the ports of a mailbox server whether anybody is there, without a login and without mail.
public enum ServerPorts {
    /// Whether it would take mail: a transaction for one recipient that ends before the message.
    ///
    /// - Parameters:
    ///   - recipient: any answer to it is one.
    ///   - patience: for the connection and for each reply.
    public static func delivery(
        of server: ClusterConfiguration.MailboxServer, recipient: String, heloName: String, patience: TimeAmount,
        group: any EventLoopGroup
    ) async -> ClusterStatus.ProbeResult {
        do {
            let lmtp = LMTPServer(
                name: server.name,
                settings: .init(
                    endpoint: server.delivery, dialect: server.deliveryProtocol == .lmtp ? .lmtp : .smtp,
                    heloName: heloName, connectTimeout: patience, replyTimeout: patience, tls: try ServerTLS(server)),
                group: group)
            let outcome = await lmtp.probe(Envelope(sender: "", recipients: [recipient]))[0]
            await lmtp.quit()
            switch outcome {
            case .accepted, .refused: return .answered
            case .unreachable(let reason), .unknown(let reason): return .noAnswer(reason)
            }
        } catch {
            return .noAnswer("\(error)")
        }
    }

    /// Whether it greets as a POP3 server.
    public static func pop3(
        of server: ClusterConfiguration.MailboxServer, patience: TimeAmount, group: any EventLoopGroup
    ) async -> ClusterStatus.ProbeResult {
        let tls: ServerTLS?
        do {
            tls = try ServerTLS(server)
        } catch {
            return .noAnswer("\(error)")
        }
        let loop = group.next()
        return await withCheckedContinuation { continuation in
            loop.execute {
                let backend = POP3Backend(eventLoop: loop, responseTimeout: patience)
                let greeting = POP3Backend.statusReceiver { result in
                    switch result {
                    case .success(let status) where status.isOK:
                        backend.quit(within: patience)
                        continuation.resume(returning: .answered)
                    case .success(let status):
                        backend.close()
                        continuation.resume(returning: .noAnswer("greeting: \(status.text)"))
                    case .failure(let failure):
                        backend.close()
                        continuation.resume(returning: .noAnswer(failure.description))
                    }
                }
                backend.open(server.pop3, tls: tls, connectTimeout: patience, greeting: greeting)
            }
        }
    }
}
