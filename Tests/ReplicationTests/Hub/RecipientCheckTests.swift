import CoveyCore
import MailWire
import Testing

@testable import Replication

@Suite struct RecipientCheckTests {
    private func address(_ text: String = "<u1@example.com>") throws -> MailboxAddress {
        try #require(MailboxAddress(typed: text))
    }

    /// Two servers' outcomes and what they mean together (design §4.3).
    @Test(arguments: [
        ([RecipientOutcome.stored, .stored], "known"), ([.stored, .unknownUser], "known"), ([.stored, .down], "known"),
        ([.down, .stored], "known"), ([.stored, .busy], "known"),
        ([.unknownUser, .unknownUser], "unknown 550 5.1.1"), ([.unknownUser, .down], "undecided 451"),
        ([.unknownUser, .busy], "undecided 451"), ([.down, .down], "undecided 451"), ([.busy, .busy], "undecided 451"),
        ([.full, .full], "refused 552 5.2.2"), ([.full, .down], "undecided 451"),
    ])
    func `5.1.1 only if every configured server says so`(outcomes: [RecipientOutcome], expected: String) async throws {
        let servers = zip(["a", "b"], outcomes).map { StubDestination($0, $1) }
        let text =
            switch await RecipientCheck(fanOut: FanOut(servers)).check(try address()) {
            case .known: "known"
            case .unknown(let reply): "unknown \(reply.code) \(reply.enhanced)"
            case .refused(let reply): "refused \(reply.code) \(reply.enhanced)"
            case .undecided(let reply): "undecided \(reply.code)"
            }
        #expect(text == expected)
        // Asked for even where another server had answered first.
        #expect(await eventually { servers[0].probes == [Envelope(sender: "", recipients: ["u1@example.com"])] })
    }

    /// Positive answers live 300 s, negative ones 30 s, and what was not decided is asked again at once.
    @Test(arguments: [
        (RecipientOutcome.stored, 299, 1), (.stored, 301, 2), (.unknownUser, 29, 1), (.unknownUser, 31, 2),
        (.full, 29, 1), (.full, 31, 2), (.down, 0, 2), (.busy, 0, 2),
    ])
    func `an answer is kept for as long as it is good`(
        outcome: RecipientOutcome, seconds: Int, questions: Int
    ) async throws {
        let clock = HandClock()
        let server = StubDestination("a", outcome)
        let check = RecipientCheck(fanOut: FanOut([server])) { clock.now }
        let first = await check.check(try address())
        clock.advance(.seconds(seconds))
        // However it is typed, it is the same mailbox.
        #expect(await check.check(try address("U1@Example.com")) == first)
        #expect(server.probes.count == questions)
    }

    @Test func `a user who was just created is known when the negative answer has aged`() async throws {
        let clock = HandClock()
        let server = StubDestination("a", .unknownUser)
        let check = RecipientCheck(fanOut: FanOut([server])) { clock.now }
        _ = await check.check(try address())
        server.become(.stored)
        clock.advance(.seconds(31))
        #expect(await check.check(try address()) == .known)
    }

    @Test func `strangers who try addresses do not fill the memory`() async throws {
        let clock = HandClock()
        let server = StubDestination("a", .unknownUser)
        let check = RecipientCheck(fanOut: FanOut([server])) { clock.now }
        for number in 0...RecipientCheck.mostEntries { _ = await check.check(try address("u\(number)@example.com")) }
        // The last one is kept, the first was thrown out.
        let asked = server.probes.count
        _ = await check.check(try address("u\(RecipientCheck.mostEntries)@example.com"))
        #expect(server.probes.count == asked)
        _ = await check.check(try address("u0@example.com"))
        #expect(server.probes.count == asked + 1)
    }
}
