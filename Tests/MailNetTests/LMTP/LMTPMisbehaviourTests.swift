import MailWire
import NIOCore
import TestSupport
import Testing

@testable import MailNet

extension LMTPTests {
    /// What a mailbox server may do wrong, and what a delivery makes of it.
    @Suite struct LMTPMisbehaviourTests {
        typealias Step = ScriptedLMTPServer.Step

        static let hello: [Step] = [
            .reply("220 hi"), .expect("LHLO hub.example"), .raw("250-me\r\n250-PIPELINING\r\n250 CHUNKING\r\n"),
        ]
        static let helloWithoutOffers: [Step] = [.reply("220 hi"), .expect("LHLO hub.example"), .reply("250 me")]
        static let envelope: [Step] = [.expect("MAIL FROM:<s@y>"), .expect("RCPT TO:<a@x>")]

        @Test func `nobody listens`() async throws {
            let scripted = try ScriptedLMTPServer([])
            scripted.stop()
            let outcomes = await LMTPFixture(scripted).deliver(["a@x", "b@x"])
            #expect(outcomes.map(\.kind) == ["unreachable", "unreachable"])
        }

        struct Case: Sendable, CustomTestStringConvertible {
            var name: String
            var steps: [Step]
            var recipients = ["a@x"]
            var timeout: Int64 = 10_000
            var kinds: [String]
            var reason: String
            var testDescription: String { name }
        }

        static let greetings: [Case] = [
            Case(name: "no greeting", steps: [.stall], timeout: 150, kinds: ["unreachable"], reason: "greeting"),
            Case(name: "closed at once", steps: [], kinds: ["unreachable"], reason: "closed by the server"),
            Case(name: "refused", steps: [.reply("554 no"), .drain], kinds: ["unreachable"], reason: "554 no"),
            Case(name: "POP3", steps: [.reply("+OK hi"), .drain], kinds: ["unreachable"], reason: "+OK hi"),
            Case(
                name: "too long", steps: [.reply("220 " + String(repeating: "x", count: 5000)), .drain],
                kinds: ["unreachable"], reason: "more than 4096 octets"),
            Case(
                name: "endless", steps: [.raw(String(repeating: "220-x\r\n", count: 1000)), .drain],
                kinds: ["unreachable"], reason: "more than 200 lines"),
            Case(
                name: "two codes", steps: [.raw("220-a\r\n250 b\r\n"), .drain], kinds: ["unreachable"],
                reason: "goes on with 250"),
            Case(
                name: "talks before it is asked", steps: [.raw("220 a\r\n250 b\r\n"), .drain], kinds: ["unreachable"],
                reason: "unasked"),
            Case(
                name: "no LHLO", steps: [.reply("220 hi"), .expect("LHLO"), .reply("500 what"), .drain],
                kinds: ["unreachable"], reason: "500 what"),
            Case(
                name: "no answer to LHLO", steps: [.reply("220 hi"), .stall], timeout: 150, kinds: ["unreachable"],
                reason: "timed out"),
            Case(
                name: "many lines of greeting",
                steps: [.raw("220-a\r\n220-b\r\n220 c\r\n")] + hello.dropFirst() + envelope
                    + [.readMessage, .raw("250 m\r\n250 a\r\n250 A\r\n"), .drain],
                kinds: ["accepted 250"], reason: "250 A"),
        ]

        static let transactions: [Case] = [
            Case(
                name: "message refused",
                steps: hello + envelope + [.readMessage, .raw("250 m\r\n250 a\r\n552 full\r\n"), .drain],
                kinds: ["refused 552 data"], reason: "552 full"),
            Case(
                name: "rubbish for a reply", steps: hello + envelope + [.readMessage, .raw("250 m\r\nhm\r\n"), .drain],
                kinds: ["unknown"], reason: "not a reply"),
            Case(
                name: "354 to MAIL", steps: helloWithoutOffers + [.expect("MAIL"), .reply("354 go"), .drain],
                kinds: ["unreachable"], reason: "354 go"),
            Case(
                name: "250 to DATA",
                steps: helloWithoutOffers + [
                    .expect("MAIL"), .reply("250 m"), .expect("RCPT"), .reply("250 a"), .expect("DATA"),
                    .reply("250 x"),
                    .drain,
                ], kinds: ["unreachable"], reason: "250 x"),
            Case(
                name: "an answer to RCPT before RCPT",
                steps: helloWithoutOffers + [.expect("MAIL"), .raw("250 m\r\n250 a\r\n"), .drain],
                kinds: ["unreachable"], reason: "unasked"),
            Case(
                name: "closed after BDAT", steps: hello + envelope + [.readMessage], kinds: ["unknown"],
                reason: "closed by the server"),
            Case(
                name: "closed after the final dot",
                steps: helloWithoutOffers + [
                    .expect("MAIL"), .reply("250 m"), .expect("RCPT"), .reply("250 a"), .readMessage,
                ], kinds: ["unknown"], reason: "closed by the server"),
            Case(
                name: "silence after the final dot",
                steps: helloWithoutOffers + [
                    .expect("MAIL"), .reply("250 m"), .expect("RCPT"), .reply("250 a"), .readMessage, .stall,
                ], timeout: 150, kinds: ["unknown"], reason: "timed out"),
            Case(
                name: "fewer replies than recipients",
                steps: hello + envelope + [
                    .expect("RCPT TO:<b@x>"), .readMessage, .raw("250 m\r\n250 a\r\n250 b\r\n250 A\r\n"), .stall,
                ], recipients: ["a@x", "b@x"], timeout: 150, kinds: ["accepted 250", "unknown"], reason: "timed out"),
            Case(
                name: "421 instead of the second verdict",
                steps: hello + envelope + [
                    .expect("RCPT TO:<b@x>"), .readMessage, .raw("250 m\r\n250 a\r\n250 b\r\n250 A\r\n421 bye\r\n"),
                ], recipients: ["a@x", "b@x"], kinds: ["accepted 250", "refused 421 data"], reason: "421 bye"),
        ]

        @Test(arguments: greetings + transactions)
        func `each misbehaviour has its outcome`(example: Case) async throws {
            let scripted = try ScriptedLMTPServer(example.steps)
            defer { scripted.stop() }
            // Only replies are hurried: a busy machine may take a while to connect.
            let fixture = LMTPFixture(scripted, timeout: example.timeout, connectTimeout: 10_000)
            let outcomes = await fixture.deliver(example.recipients)
            #expect(outcomes.map(\.kind) == example.kinds)
            #expect(outcomes.last?.reason.contains(example.reason) == true, "\(outcomes)")
            #expect(scripted.record.accepted == 1)
            #expect(scripted.record.surprises.isEmpty, "\(scripted.record.surprises)")
            await fixture.client.quit()
            #expect(try await eventually { scripted.record.open == 0 })
        }

        @Test(arguments: [true, false])
        func `a connection cut at any octet of any reply ends the delivery honestly`(isChunking: Bool) async throws {
            let replies =
                isChunking
                ? ["220 hi", "250-me\r\n250-PIPELINING\r\n250 CHUNKING", "250 m", "250 a", "250 A"]
                : ["220 hi", "250 me", "250 m", "250 a", "354 go", "250 A"]
            // Before this reply the whole message is under way.
            let sentBefore = isChunking ? 2 : 5
            var cuts: [(reply: Int, octets: Int)] = []
            for (index, reply) in replies.enumerated() {
                for octets in 0..<(reply.utf8.count + 2) { cuts.append((index, octets)) }
            }
            let waiting = try ScriptedLMTPServer { [cuts] number in
                let cut = cuts[number]
                var steps: [Step] = []
                for (index, reply) in replies.enumerated() where index <= cut.reply {
                    switch (index, isChunking) {
                    case (0, _): break
                    case (1, _): steps.append(.expect("LHLO"))
                    case (2, true): steps += Self.envelope + [.readMessage]
                    case (2, false): steps.append(.expect("MAIL"))
                    case (3, false): steps.append(.expect("RCPT"))
                    case (4, false): steps.append(.expect("DATA"))
                    case (5, false):
                        steps += [.expect("Subject"), .expect(""), .expect("..one"), .expect("..."), .expect(".")]
                    default: break
                    }
                    steps.append(index == cut.reply ? .cut(reply, after: cut.octets) : .reply(reply))
                }
                return steps
            }
            defer { waiting.stop() }
            let fixture = LMTPFixture(waiting)
            for cut in cuts {
                let outcomes = await fixture.deliver()
                #expect(
                    outcomes.map(\.kind) == [cut.reply < sentBefore ? "unreachable" : "unknown"], "\(cut) \(outcomes)")
            }
            #expect(waiting.record.accepted == cuts.count)
            #expect(waiting.record.surprises.isEmpty)
            #expect(try await eventually { waiting.record.open == 0 })
        }

        @Test(arguments: [true, false])
        func `a server that stops reading a large message costs one timeout`(isChunking: Bool) async throws {
            let steps: [Step] =
                isChunking
                ? Self.hello + Self.envelope + [.raw("250 m\r\n250 a\r\n"), .expect("BDAT"), .read(100_000), .stall]
                : Self.helloWithoutOffers + [
                    .expect("MAIL"), .reply("250 m"), .expect("RCPT"), .reply("250 a"), .expect("DATA"),
                    .reply("354 go"),
                    .read(100_000), .stall,
                ]
            let scripted = try ScriptedLMTPServer(steps)
            defer { scripted.stop() }
            let start = ContinuousClock.now
            let outcomes = await LMTPFixture(scripted, timeout: 400, connectTimeout: 10_000)
                .deliver(["a@x"], .large(10_000_000))
            #expect(outcomes.map(\.kind) == ["unreachable"])
            #expect(outcomes.first?.reason.contains("message to be taken") == true, "\(outcomes)")
            #expect(ContinuousClock.now - start < .seconds(4))
        }

        @Test func `a refusal in the middle of a large message is heard`() async throws {
            let scripted = try ScriptedLMTPServer(
                Self.hello + Self.envelope + [
                    .raw("250 m\r\n250 a\r\n"), .expect("BDAT"), .read(100_000), .reply("552 5.3.4 too big"), .stall,
                ])
            defer { scripted.stop() }
            let outcomes = await LMTPFixture(scripted).deliver(["a@x"], .large(10_000_000))
            #expect(outcomes.map(\.kind) == ["refused 552 data"])
        }

        struct BrokenBody: MessageBody {
            var length: Int { 1000 }
            /// Octets that a read gives at offset 100 and beyond; nil to throw.
            var then: Int?
            func read(at offset: Int, most: Int) throws -> ByteBuffer {
                if offset < 100 { return ByteBuffer(repeating: 65, count: 100) }
                guard let then else { throw CancellationError() }
                return ByteBuffer(repeating: 65, count: then)
            }
        }

        @Test(arguments: [nil, 0, 901] as [Int?])
        func `a message that cannot be read is not half delivered`(then: Int?) async throws {
            for offers in [["PIPELINING", "CHUNKING"], []] {
                let scripted = try ScriptedLMTPServer([.serve(.init(offers: offers))])
                defer { scripted.stop() }
                let message = OutgoingMessage(header: ByteBuffer(string: "A: b\r\n\r\n"), body: BrokenBody(then: then))
                let outcomes = await LMTPFixture(scripted).deliver(["a@x"], message)
                #expect(outcomes.map(\.kind) == ["unreachable"])
                #expect(outcomes.first?.reason.contains("could not be read") == true)
                #expect(try await eventually { scripted.record.open == 0 })
                #expect(scripted.record.messages.isEmpty)
            }
        }
    }
}
