public import CoveyCore
internal import MailWire
internal import NIOCore

/// Puts copies into the maildrops of one mailbox server, by LMTP or SMTP.
public struct LMTPCopyStore: CopyStore {
    private let delivery: LMTPServer

    public init(_ delivery: LMTPServer) {
        self.delivery = delivery
    }

    public var name: String { delivery.name }

    public func store(_ copy: StoredCopy, for user: String) async -> String? {
        // From nobody: what cannot be delivered shall not come back, and nothing shall be answered.
        let outcomes = await delivery.deliver(
            OutgoingMessage(
                header: ByteBuffer(bytes: copy.header), body: BufferedBody(ByteBuffer(bytes: copy.body))),
            to: Envelope(sender: "", recipients: [user]))
        switch outcomes.first {
        case .accepted?: return nil
        case .refused(let reply, _)?: return "refused: \(reply)"
        case .unreachable(let reason)?, .unknown(let reason)?: return reason
        case nil: return "no answer"
        }
    }
}
