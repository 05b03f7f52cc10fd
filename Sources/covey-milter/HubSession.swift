import CoveyCore
import Logging
import Milter
import Replication

/// One SMTP connection of the MTA, seen through libmilter: gathers envelope and message, has them delivered, and tells
/// the MTA what is left for it.
final class HubSession: MilterSession {
    /// Steps at which this session always answers "go on": the MTA need not wait for that.
    static let unanswered: MilterSteps = [.connect, .helo, .sender, .header, .body]

    private let current: CurrentHub
    /// As it was when the message under way began.
    private var hub: Hub
    /// At which of the two doors this connection arrived (design §4.3).
    private var door = HubDelivery.Door.front
    private var client = SMTPClient()
    private var message = MessageState()

    /// What is known of the client.
    struct SMTPClient {
        var host = ""
        var address: String?
        var helo = ""
    }

    /// What is known of the message under way.
    struct MessageState: ~Copyable {
        /// Without angle brackets; nil where it is not UTF-8.
        var sender: String? = ""
        var bodyType: String?
        var candidates: [Candidate] = []
        /// Recipients in cluster domains that the MTA has to find the way for.
        var leftToMTA = 0
        var others = 0
        var collector: MessageCollector?
        var isHeaderComplete = false
        var spoolError: SpoolError?
        var isAuthenticated = false
        var isEncrypted = false
    }

    /// A mailbox of the cluster, and every way it was typed.
    struct Candidate {
        var address: MailboxAddress
        var typed: [String]
        /// ORCPT as the sender gave it (RFC 3461 §4.2), to be kept on missing copies.
        var originalRecipient: String?
    }

    init(hub: CurrentHub) {
        current = hub
        self.hub = hub.now
    }

    // MARK: envelope

    func connect(host: String, address: String?, _ context: MilterContext) -> MilterVerdict {
        client.host = host
        client.address = address
        // Only sent at connect (facts 5).
        if context.macro("{daemon_name}") == "COVEY" { door = .back }
        return .proceed
    }

    func helo(_ name: String, _ context: MilterContext) -> MilterVerdict {
        client.helo = name
        return .proceed
    }

    func envelopeSender(_ arguments: [String?], _ context: MilterContext) -> MilterVerdict {
        message = MessageState()
        hub = current.now
        message.sender = (arguments.first ?? nil).map(HubSession.withoutBrackets)
        message.bodyType = HubSession.parameter("BODY", of: arguments)
        message.isAuthenticated = context.macro("{auth_authen}") != nil
        message.isEncrypted = context.macro("{tls_version}") != nil
        return .proceed
    }

    func envelopeRecipient(_ arguments: [String?], _ context: MilterContext) -> MilterVerdict {
        let typed = arguments.first ?? nil
        let kind =
            switch door {
            case .front:
                hub.rules.classifyAtFrontDoor(
                    typed: typed, mailer: context.macro("{rcpt_mailer}"), rewritten: context.macro("{rcpt_addr}"))
            case .back: hub.rules.classifyAtBackDoor(typed: typed)
            }
        switch kind {
        case .foreign:
            message.others += 1
        case .leftToMTA:
            message.leftToMTA += 1
        case .refused(let reply):
            return answer(reply, context)
        case .candidate(let address):
            guard message.sender != nil else {
                // RFC 3463 §3.2: bad sender's address syntax. A copy from nobody would pass for a bounce.
                return answer(
                    ReplyText(code: 553, enhanced: "5.1.7", text: "the sender is no mailbox address"), context)
            }
            if door == .front, hub.leftToMTA.contains(address) {
                message.leftToMTA += 1
                return .proceed
            }
            if door == .back || hub.configuration.milter.rejectUnknown, let reply = refusal(of: address, context) {
                return answer(reply, context)
            }
            add(address, typed: typed ?? "", originalRecipient: HubSession.parameter("ORCPT", of: arguments))
        }
        return .proceed
    }

    /// Asks the servers whether they know the recipient; nil if one does.
    private func refusal(of address: MailboxAddress, _ context: MilterContext) -> ReplyText? {
        let check = hub.recipientCheck
        let answer = waitFor(on: hub.executor, reportingEvery: 10, { context.reportProgress() }) {
            await check.check(address)
        }
        switch answer {
        case .known: return nil
        case .unknown(let reply), .refused(let reply), .undecided(let reply): return reply
        }
    }

    private func add(_ address: MailboxAddress, typed: String, originalRecipient: String?) {
        // Written twice, perhaps in other letters, it is one mailbox and gets one copy.
        if let place = message.candidates.firstIndex(where: { $0.address.key == address.key }) {
            message.candidates[place].typed.append(typed)
        } else {
            message.candidates.append(
                Candidate(address: address, typed: [typed], originalRecipient: originalRecipient))
        }
    }

    // MARK: content

    func header(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, _ context: MilterContext) -> MilterVerdict
    {
        guard concernsCluster else { return .proceed }
        prepareCollector()
        message.collector?.add(HeaderField(name: Array(name), value: Array(value)))
        return .proceed
    }

    func endOfHeader(_ context: MilterContext) -> MilterVerdict {
        // A message for others only passes untouched; its body need not even come here.
        guard concernsCluster else { return .accept }
        completeHeader()
        return .proceed
    }

    /// An MTA that does not tell of the header's end, because there is no header, tells of what follows it.
    private func completeHeader() {
        guard !message.isHeaderComplete else { return }
        message.isHeaderComplete = true
        prepareCollector()
        let hostName = hub.hostName
        message.collector?.endHeader { "<\(HubSession.randomWord()).covey@\(hostName)>" }
    }

    func body(_ octets: UnsafeRawBufferPointer, _ context: MilterContext) -> MilterVerdict {
        guard concernsCluster, message.spoolError == nil else { return .proceed }
        completeHeader()
        do throws(SpoolError) {
            try message.collector?.addBody(octets)
        } catch {
            message.spoolError = error
        }
        return .proceed
    }

    private var concernsCluster: Bool { !message.candidates.isEmpty || message.leftToMTA > 0 }

    private var deliversHere: Bool {
        !message.candidates.isEmpty && (door == .back || hub.configuration.milter.delivery == .direct)
    }

    private func prepareCollector() {
        guard message.collector == nil else { return }
        message.collector = MessageCollector(
            key: hub.configuration.cluster.key, budget: hub.spoolBudget, spoolDirectory: hub.spoolDirectory,
            keepsBody: deliversHere, trustsStamp: door == .back)
    }

    // MARK: end

    func endOfMessage(_ context: MilterContext) -> MilterVerdict {
        guard concernsCluster else { return .proceed }
        return current.countingDelivery { conclude(context) }
    }

    private func conclude(_ context: MilterContext) -> MilterVerdict {
        completeHeader()
        var state = MessageState()
        swap(&state, &message)
        guard let collector = state.collector.take() else { return .proceed }
        let queueID = context.macro("i") ?? "-"
        let collected = collector.finish()
        if let error = state.spoolError {
            hub.logger.error("message not kept", metadata: ["queue.id": "\(queueID)", "reason": "\(error)"])
            hub.statistics.count(.tempfailed, at: door, octets: 0)
            // RFC 3463 §3.4: 4.3.1, mail system full.
            return answer(
                ReplyText(code: 452, enhanced: "4.3.1", text: "no room for the message, try again later"), context)
        }
        let isDirect =
            !state.candidates.isEmpty
            && (door == .back || hub.configuration.milter.delivery == .direct && !isInQuarantine(context))
        let end = EndOfMessage(
            hub: hub, door: door, client: client, queueID: queueID, sender: state.sender ?? "",
            bodyType: state.bodyType,
            candidates: isDirect ? state.candidates : [], hasOthers: state.others + state.leftToMTA > 0 || !isDirect,
            isAuthenticated: state.isAuthenticated, isEncrypted: state.isEncrypted, message: collected)
        return end.run(context)
    }

    /// Sendmail goes on asking filters about a message that a rule or an earlier filter put into quarantine (facts 9):
    /// it stays in the queue, and comes to the back door once somebody releases it.
    private func isInQuarantine(_ context: MilterContext) -> Bool {
        !(context.macro("{quarantine}") ?? "").isEmpty
    }

    func abort() {
        message = MessageState()
    }

    func close() {
        message = MessageState()
    }

    private func answer(_ reply: ReplyText, _ context: MilterContext) -> MilterVerdict {
        HubSession.answer(reply, context)
    }

    static func answer(_ reply: ReplyText, _ context: MilterContext) -> MilterVerdict {
        // Where the text cannot be set the MTA says something of its own with the same meaning.
        try? context.setReply(code: reply.code, enhanced: reply.enhanced, text: reply.text)
        return reply.code >= 500 ? .reject : .tempfail
    }

    // MARK: small things

    private static func withoutBrackets(_ text: String) -> String {
        text.first == "<" && text.last == ">" ? String(text.dropFirst().dropLast()) : text
    }

    private static func parameter(_ name: String, of arguments: [String?]) -> String? {
        for case .some(let argument) in arguments.dropFirst() where argument.uppercased().hasPrefix(name + "=") {
            return String(argument.dropFirst(name.count + 1))
        }
        return nil
    }

    /// 80 random bits as text.
    private static func randomWord() -> String {
        String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt16.random(in: .min ... .max), radix: 36)
    }
}
