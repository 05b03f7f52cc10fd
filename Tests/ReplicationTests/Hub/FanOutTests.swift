import CoveyCore
import MailWire
import NIOCore
import Synchronization
import Testing

@testable import Replication

@Suite struct FanOutTests {
    static let envelope = Envelope(sender: "s@example.org", recipients: ["u1@example.com", "u2@example.com"])

    @Test(.timeLimit(.minutes(1)))
    func `all servers are served at once, and answer in configuration order`() async {
        // None answers before all are asked; the first one answers last.
        let asked = Mutex(0)
        let isWhole: @Sendable () -> Bool = { asked.withLock { $0 } == 4 }
        let outcomes: [RecipientOutcome] = [.stored, .down, .full, .lost]
        let servers = zip(["a", "b", "c", "d"], outcomes).enumerated().map { place, server in
            let isCounted = Mutex(false)
            return StubDestination(server.0, server.1, delay: .milliseconds(200 - 60 * place)) {
                let isFirst = isCounted.withLock { isCounted in
                    defer { isCounted = true }
                    return !isCounted
                }
                if isFirst { asked.withLock { $0 += 1 } }
                return isWhole()
            }
        }
        let answers = await FanOut(servers).deliver(.small, to: Self.envelope)
        #expect(answers.map(\.server) == ["a", "b", "c", "d"])
        #expect(answers.map { $0.outcomes } == outcomes.map { [$0, $0] })
        #expect(answers[0].time >= .milliseconds(200))
        #expect(servers.allSatisfy { $0.deliveries == [Self.envelope] && $0.probes.isEmpty })
    }

    @Test func `a question delivers nothing, and all refusals come in configuration order`() async {
        let servers = [
            StubDestination("a", .unknownUser, delay: .milliseconds(100)), StubDestination("b", .down),
            StubDestination("c", .busy),
        ]
        let refusals = await FanOut(servers).refusals(of: "u1@example.com")
        #expect(refusals?.map { $0.logText.prefix(9) } == ["unknown-u", "no-answer", "deferred "])
        let envelope = Envelope(sender: "", recipients: ["u1@example.com"])
        #expect(servers.allSatisfy { $0.deliveries.isEmpty && $0.probes == [envelope] })
    }

    @Test(.timeLimit(.minutes(1)))
    func `a server that hangs costs a recipient that another knows nothing`() async {
        let isReleased = Mutex(false)
        let hanging = StubDestination("a", .stored) { isReleased.withLock { $0 } }
        #expect(await FanOut([hanging, StubDestination("b")]).refusals(of: "u1@example.com") == nil)
        #expect(!isReleased.withLock { $0 })
        isReleased.withLock { $0 = true }
    }
}

@Suite struct CopyVerdictTests {
    private static func reply(_ code: Int, _ line: String) -> SMTPReply { SMTPReply(code: code, lines: [line]) }

    @Test(arguments: [
        (RecipientOutcome.stored, "stored"), (.down, "no-answer"), (.lost, "fate-unknown"),
        (.unknownUser, "unknown-user"),
        // Only at RCPT does 5.1.1 speak of the user, and only 5.1.1 does.
        (.refused(.unknownUser, .data), "refused"),
        (.refused(reply(550, "no such user"), .recipient), "refused"),
        (.refused(reply(550, "5.7.1 not here"), .recipient), "refused"),
        (.full, "refused"), (.refused(.full, .recipient), "refused"),
        (.refused(reply(554, "5.6.0 bad"), .data), "refused"),
        (.busy, "deferred"), (.refused(reply(452, "4.2.2 full"), .data), "deferred"),
        // Before a recipient is named, a refusal is about the server's own set-up, unless it names the message.
        (.refused(reply(554, "5.7.1 go away"), .connect), "deferred"),
        (.refused(reply(530, "5.7.0 TLS first"), .mail), "deferred"),
        (.refused(reply(550, "5.1.1 what"), .mail), "deferred"),
        (.refused(reply(552, "5.3.4 too big"), .mail), "refused"),
        (.refused(reply(553, "5.1.7 bad sender"), .mail), "refused"),
    ])
    func `an outcome is judged by its reply and its stage`(outcome: RecipientOutcome, word: String) {
        let text = CopyVerdict(outcome).logText
        #expect(text == word || text.hasPrefix(word + " ("))
    }

    @Test func `a reply without an enhanced status gets the one of its class`() {
        let verdict = CopyVerdict(.refused(SMTPReply(code: 554, lines: ["no", "never"]), .data))
        #expect(verdict == .refusedForGood(ReplyText(code: 554, enhanced: "5.0.0", text: "no never")))
    }
}

@Suite struct HubDeliveryTests {
    private func deliver(
        _ servers: [StubDestination], to typed: [String], door: HubDelivery.Door = .front, hasOthers: Bool = false,
        minimum: ClusterConfiguration.Milter.MinCopies = .count(1)
    ) async throws -> HubDelivery.Report {
        let recipients = try typed.map { try #require(MailboxAddress(typed: $0)) }
        return await HubDelivery(fanOut: FanOut(servers), minimum: minimum).deliver(
            .small, sender: "s@example.org", bodyType: "8BITMIME", recipients: recipients, door: door,
            hasOthers: hasOthers, mayDiscard: true)
    }

    @Test func `each server gets the whole envelope, and all stored means discard`() async throws {
        let servers = [StubDestination("a"), StubDestination("b")]
        let report = try await deliver(servers, to: ["<u1@Example.com>", "<u2@example.com>"])
        #expect(report.decision == .discard)
        let envelope = Envelope(
            sender: "s@example.org", bodyType: "8BITMIME", recipients: ["u1@example.com", "u2@example.com"])
        #expect(servers.allSatisfy { $0.deliveries == [envelope] })
        #expect(report.dispositions == [.ours(missing: [], drifted: false), .ours(missing: [], drifted: false)])
    }

    @Test func `a server that is down is owed a copy of each recipient`() async throws {
        let report = try await deliver(
            [StubDestination("a", .down), StubDestination("b")], to: ["<u1@example.com>", "<u2@example.com>"])
        #expect(
            report.decision
                == .proceed(remove: [0, 1], missing: [.init(recipient: 0, server: 0), .init(recipient: 1, server: 0)]))
        #expect(report.answers.map(\.server) == ["a", "b"])
    }

    @Test func `each door decides by its own rules`() async throws {
        let servers = [StubDestination("a", .unknownUser), StubDestination("b", .unknownUser)]
        let front = try await deliver(servers, to: ["<x@example.com>"])
        #expect(front.decision == .proceed(remove: [], missing: []))
        let back = try await deliver(servers, to: ["<x@example.com>"], door: .back)
        #expect(back.decision == .reject(ReplyText(code: 550, enhanced: "5.1.1", text: "no such user")))
    }

    @Test func `min_copies and other recipients count`() async throws {
        let servers = [StubDestination("a"), StubDestination("b", .lost)]
        let strict = try await deliver(servers, to: ["<u1@example.com>"], minimum: .all)
        guard case .tempfail = strict.decision else {
            Issue.record("\(strict.decision)")
            return
        }
        let others = try await deliver([StubDestination("a")], to: ["<u1@example.com>"], hasOthers: true)
        #expect(others.decision == .proceed(remove: [0], missing: []))
    }

    @Test func `the log line names every server's verdicts and hides nothing behind a line end`() async throws {
        let servers = [
            StubDestination("a"), StubDestination("b", .refused(SMTPReply(code: 451, lines: ["a\nb"]), .data)),
        ]
        let report = try await deliver(servers, to: ["<u1@example.com>"])
        let text = DeliveryLog.servers(report)
        #expect(text.hasPrefix("a=stored/"))
        #expect(text.contains(" b=deferred (451 4.0.0 a?b)/"))
        let unknown = try await deliver(
            [StubDestination("a", .unknownUser)], to: ["<u1@example.com>", "<u2@example.com>"])
        let recipients = try ["u1@example.com", "u2@example.com"].map { try #require(MailboxAddress(typed: $0)) }
        #expect(
            DeliveryLog.recipients(recipients, unknown) == "u1@example.com(unknown-user),u2@example.com(unknown-user)")
    }
}
