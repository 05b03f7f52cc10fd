import CoveyCore
import MailWire
import Replication
import Testing

/// A mailbox server that answers a probe, or hangs for ever.
private struct ProbedServer: CopyDestination {
    var name: String
    /// Nil: never answers.
    var reply: SMTPReply?

    func deliver(_ message: OutgoingMessage, to envelope: Envelope) async -> [RecipientOutcome] { [] }

    func probe(_ envelope: Envelope) async -> [RecipientOutcome] {
        guard let reply else {
            try? await Task.sleep(for: .seconds(3600))
            return [.unreachable("never")]
        }
        return [reply.isPositive ? .accepted(reply) : .refused(reply, .recipient)]
    }
}

private let yes = SMTPReply(code: 250, lines: ["2.1.5 OK"])
private let no = SMTPReply(code: 550, lines: ["5.1.1 unknown"])

@Suite(.timeLimit(.minutes(1))) struct EarlyAnswerTests {
    @Test(arguments: [[nil, yes], [yes, nil], [no, yes]])
    func `one server that knows the recipient is enough, though another hangs or has drifted`(
        replies: [SMTPReply?]
    ) async throws {
        let servers = replies.enumerated().map { ProbedServer(name: "s\($0)", reply: $1) }
        let check = RecipientCheck(fanOut: FanOut(servers))
        let address = try #require(MailboxAddress(typed: "<u1@example.com>"))
        #expect(await check.check(address) == .known)
    }

    @Test func `a recipient is unknown only when every server says so`() async throws {
        let check = RecipientCheck(
            fanOut: FanOut([ProbedServer(name: "a", reply: no), ProbedServer(name: "b", reply: no)]))
        let address = try #require(MailboxAddress(typed: "<u1@example.com>"))
        #expect(await check.check(address) == .unknown(ReplyText(code: 550, enhanced: "5.1.1", text: "unknown")))
    }
}
