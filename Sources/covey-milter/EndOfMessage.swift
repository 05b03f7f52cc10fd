import CoveyCore
import Glibc
import Logging
import MailWire
import Milter
import Replication

/// The last step for one message: delivers it, changes what the MTA holds of it, and writes the log line.
struct EndOfMessage {
    let hub: Hub
    let door: HubDelivery.Door
    let client: HubSession.SMTPClient
    let queueID: String
    let sender: String
    let bodyType: String?
    /// Mailboxes to deliver to from here; empty where the message is only stamped.
    let candidates: [HubSession.Candidate]
    let hasOthers: Bool
    let isAuthenticated: Bool
    let isEncrypted: Bool
    let message: CollectedMessage

    /// How often the MTA hears that we are still at it; it would wait five minutes by default.
    private static let progressInterval = 15

    func run(_ context: MilterContext) -> MilterVerdict {
        guard !candidates.isEmpty else {
            log(nil, "stamped")
            let verdict = change(context) { _ in }
            hub.statistics.count(
                verdict == .tempfail ? .tempfailed : .stamped, at: door, octets: message.body.length)
            return verdict
        }
        let report = deliver(context)
        let verdict: MilterVerdict
        switch report.decision {
        case .tempfail(let reply), .reject(let reply):
            verdict = HubSession.answer(reply, context)
        case .discard:
            verdict = .discard
        case .proceed(let remove, let missing):
            verdict = change(context) { context throws(MilterError) in
                // First what adds, then what takes away: should one fail, nothing was lost.
                for copy in missing { try addMissing(copy, context) }
                for place in remove {
                    for typed in candidates[place].typed { try context.removeRecipient(typed) }
                }
            }
        }
        log(report, EndOfMessage.word(for: verdict))
        count(report, verdict)
        return verdict
    }

    private func count(_ report: HubDelivery.Report, _ verdict: MilterVerdict) {
        var missing: [String] = []
        if verdict == .proceed, case .proceed(_, let copies) = report.decision {
            missing = copies.map { hub.configuration.mailboxes[$0.server].name }
        }
        if !missing.isEmpty { hub.queueWatch.expectCopies() }
        hub.statistics.count(
            EndOfMessage.counted(verdict), at: door, octets: message.body.length, report, missing: missing)
    }

    private func deliver(_ context: MilterContext) -> HubDelivery.Report {
        let trace = Trace(
            clientHost: client.host, clientAddress: client.address, helo: client.helo,
            isAuthenticated: isAuthenticated, isEncrypted: isEncrypted, hostName: hub.hostName, queueID: queueID,
            recipient: candidates.count == 1 ? candidates[0].address.text : nil)
        let copy = message.copy(trace: trace.fieldValue(at: time(nil)))
        let recipients = candidates.map(\.address)
        let (delivery, sender, bodyType, door) = (hub.delivery, sender, bodyType, door)
        let sendingClient = client.address.map { SendingClient(address: $0, helo: client.helo) }
        let (hasOthers, mayDiscard) = (hasOthers, hub.discardPolicy.mayDiscard)
        return waitFor(on: hub.executor, reportingEvery: EndOfMessage.progressInterval, { context.reportProgress() }) {
            await delivery.deliver(
                copy, sender: sender, bodyType: bodyType, client: sendingClient, recipients: recipients, door: door,
                hasOthers: hasOthers,
                mayDiscard: mayDiscard)
        }
    }

    // MARK: changes

    /// Stamps the message and does what else is to be done to it; where the MTA does not take a change the message is
    /// tempfailed: what is stored already will come again under the same id.
    private func change(
        _ context: MilterContext, _ more: (MilterContext) throws(MilterError) -> Void
    ) -> MilterVerdict {
        do throws(MilterError) {
            try more(context)
            if !message.keepsStamp { try stamp(context) }
            return .proceed
        } catch {
            hub.logger.error("the MTA refused a change", metadata: ["queue.id": "\(queueID)", "reason": "\(error)"])
            return .tempfail
        }
    }

    private func stamp(_ context: MilterContext) throws(MilterError) {
        // MTAs count fields without regard to case. From the last to the first, so that the numbers of those still there
        // do not move.
        for occurrence in (0..<message.stampsToRemove).reversed() {
            try context.removeHeader("X-UIDL", occurrence: occurrence + 1)
        }
        if let field = message.addedMessageID {
            try context.appendHeader("Message-ID", String(decoding: field.value, as: UTF8.self))
        }
        try context.appendHeader("X-UIDL", " \(message.id)")
    }

    private func addMissing(_ copy: MessageDecision.MissingCopy, _ context: MilterContext) throws(MilterError) {
        let candidate = candidates[copy.recipient]
        let server = hub.configuration.mailboxes[copy.server].name
        let original = candidate.originalRecipient ?? "rfc822;" + XText.encode(candidate.address.text)
        // NEVER: a sender shall not hear of a copy that one server lacks; the message is delivered.
        try context.addRecipient(
            "<\(candidate.address.missingCopyAddress(server: server))>",
            parameters: "NOTIFY=NEVER ORCPT=\(original)")
    }

    private static func counted(_ verdict: MilterVerdict) -> HubFigures.Verdict {
        switch verdict {
        case .discard: .delivered
        case .proceed, .accept: .passedOn
        case .reject: .rejected
        case .tempfail: .tempfailed
        }
    }

    // MARK: log

    private static func word(for verdict: MilterVerdict) -> String {
        switch verdict {
        case .discard: "delivered"
        case .proceed: "passed on"
        case .accept: "accepted"
        case .reject: "rejected"
        case .tempfail: "tempfailed"
        }
    }

    /// One line per message.
    private func log(_ report: HubDelivery.Report?, _ verdict: String) {
        var metadata: Logger.Metadata = [
            "queue.id": "\(queueID)", "id": "\(message.id)",
            "message.id": "\(DeliveryLog.safe(message.messageID ?? "-"))",
            "door": "\(door.rawValue)", "sender": "\(DeliveryLog.safe("<\(sender)>"))",
            "client": "\(client.address ?? "-")", "octets": "\(message.body.length)", "verdict": "\(verdict)",
        ]
        if let report {
            metadata["recipients"] = "\(DeliveryLog.recipients(candidates.map(\.address), report))"
            metadata["servers"] = "\(DeliveryLog.servers(report))"
            if report.dispositions.contains(where: { if case .ours(_, drifted: true) = $0 { true } else { false } }) {
                hub.logger.warning(
                    "servers disagree about a recipient: one stored what another refuses for good",
                    metadata: ["queue.id": "\(queueID)", "servers": "\(DeliveryLog.servers(report))"])
            }
        }
        hub.logger.info("message", metadata: metadata)
    }
}
