import MailWire
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import MailNet

extension LMTPTests {
    /// Deliveries that go well, and the life of the connections behind them.
    @Suite struct LMTPServerTests {
        typealias Manners = ScriptedLMTPServer.Manners

        @Test(arguments: [["PIPELINING", "CHUNKING"], ["PIPELINING"], ["CHUNKING"], []])
        func `10 MB arrive octet by octet`(offers: [String]) async throws {
            let scripted = try ScriptedLMTPServer([.serve(Manners(offers: offers))])
            defer { scripted.stop() }
            let message = OutgoingMessage.large(10_000_000)
            let outcomes = await LMTPFixture(scripted).deliver(["a@x"], message)
            #expect(outcomes.map(\.kind) == ["accepted 250"])
            let arrived = try #require(scripted.record.messages.first)
            let isSame = try arrived.octets == message.octets
            #expect(isSame, "\(arrived.octets.readableBytes) octets of \(message.length)")
            #expect(scripted.record.surprises.isEmpty)
        }

        @Test func `one connection serves one delivery after another`() async throws {
            let scripted = try ScriptedLMTPServer([.serve(Manners())])
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted)
            for _ in 0..<5 { #expect(await fixture.deliver().map(\.kind) == ["accepted 250"]) }
            #expect(scripted.record.accepted == 1)
            #expect(scripted.record.messages.count == 5)
            #expect(!scripted.record.lines[0].contains("RSET"))
        }

        @Test func `a connection is used again after unknown recipients and probes, with RSET between`() async throws {
            for offers in [["PIPELINING", "CHUNKING"], ["PIPELINING"], []] {
                var manners = Manners(offers: offers)
                manners.unknown = ["no@x"]
                let scripted = try ScriptedLMTPServer([.serve(manners)])
                defer { scripted.stop() }
                let fixture = LMTPFixture(scripted)
                #expect(await fixture.deliver(["no@x"]).map(\.kind) == ["refused 550 recipient"])
                #expect(
                    await fixture.deliver(["a@x", "no@x"]).map(\.kind) == ["accepted 250", "refused 550 recipient"])
                #expect(await fixture.probe(["a@x", "no@x"]).map(\.kind) == ["accepted 250", "refused 550 recipient"])
                #expect(await fixture.deliver().map(\.kind) == ["accepted 250"])
                #expect(scripted.record.accepted == 1)
                #expect(scripted.record.lines[0].count { $0 == "RSET" } == 2)
                #expect(
                    scripted.record.messages.filter { !$0.recipients.isEmpty }.map(\.recipients) == [["a@x"], ["a@x"]])
            }
        }

        @Test func `an SMTP server's one reply is for all recipients`() async throws {
            var manners = Manners()
            manners.isSMTP = true
            let scripted = try ScriptedLMTPServer([.serve(manners)])
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted, dialect: .smtp)
            #expect(await fixture.deliver(["a@x", "b@x"]).map(\.kind) == ["accepted 250", "accepted 250"])
            #expect(scripted.record.lines[0].first == "EHLO hub.example")
        }

        @Test func `a server is found by name, and the attempt that loses is not counted`() async throws {
            let scripted = try ScriptedLMTPServer(host: "127.0.0.1", [.serve(Manners())])
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted, host: "localhost")
            #expect(await fixture.deliver().map(\.kind) == ["accepted 250"])
            await fixture.client.quit()
            #expect(try await eventually { scripted.record.open == 0 })
        }

        @Test func `120 recipients go in transactions of at most 50, outcomes in their order`() async throws {
            var manners = Manners()
            let recipients = (0..<120).map { "u\($0)@x" }
            manners.unknown = ["u3@x", "u49@x", "u50@x", "u119@x"]
            let scripted = try ScriptedLMTPServer([.serve(manners)])
            defer { scripted.stop() }
            let outcomes = await LMTPFixture(scripted).deliver(recipients)
            let expected = recipients.map { manners.unknown.contains($0) ? "refused 550 recipient" : "accepted 250" }
            #expect(outcomes.map(\.kind) == expected)
            #expect(scripted.record.messages.map(\.recipients.count) == [48, 49, 19])
            #expect(scripted.record.lines[0].count { $0.hasPrefix("RCPT") } == 120)
        }

        @Test func `a server that breaks down over the first part is not asked for the others`() async throws {
            let scripted = try ScriptedLMTPServer([.stall])
            defer { scripted.stop() }
            let outcomes = await LMTPFixture(scripted, timeout: 150).deliver((0..<120).map { "u\($0)@x" })
            #expect(outcomes.map(\.kind) == Array(repeating: "unreachable", count: 120))
            #expect(scripted.record.accepted == 1)
        }

        @Test func `line ends in addresses never reach the server`() async throws {
            let scripted = try ScriptedLMTPServer([.serve(Manners())])
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted)
            let outcomes = await fixture.deliver(["a@x", "b>\r\nRCPT TO:<evil@x", "c\n@x", "d@x"])
            #expect(
                outcomes.map(\.kind) == [
                    "accepted 250", "refused 553 recipient", "refused 553 recipient", "accepted 250",
                ])
            let badSender = Envelope(sender: "s\r\nQUIT", recipients: ["a@x"])
            #expect(await fixture.client.deliver(.small, to: badSender).map(\.kind) == ["refused 553 mail"])
            #expect(scripted.record.messages.map(\.recipients) == [["a@x", "d@x"]])
            #expect(await fixture.deliver([]).isEmpty)
        }

        @Test func `100 deliveries at once all end, on at most 40 connections, none of which is left`() async throws {
            var manners = Manners()
            manners.delay = 3
            let scripted = try ScriptedLMTPServer([.serve(manners)])
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted, group: MultiThreadedEventLoopGroup.singleton)
            let kinds = await deliverAtOnce(100, fixture)
            #expect(kinds == ["accepted 250": 100])
            #expect(scripted.record.messages.count == 100)
            #expect(scripted.record.mostOpen <= 40)
            await fixture.client.quit()
            #expect(try await eventually { scripted.record.open == 0 })
            #expect(scripted.record.surprises.isEmpty)
        }

        @Test func `100 deliveries at once to a server that cuts every connection all end`() async throws {
            let scripted = try ScriptedLMTPServer { number in
                number % 3 == 0 ? [.reply("220 hi")] : number % 3 == 1 ? [] : [.reply("421 busy"), .drain]
            }
            defer { scripted.stop() }
            let kinds = await deliverAtOnce(100, LMTPFixture(scripted))
            #expect(kinds == ["unreachable": 100])
            #expect(try await eventually { scripted.record.open == 0 })
        }

        @Test func `an idle connection is closed in time`() async throws {
            let scripted = try ScriptedLMTPServer([.serve(Manners())])
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted, idle: 50)
            #expect(await fixture.deliver().map(\.kind) == ["accepted 250"])
            #expect(try await eventually { scripted.record.open == 0 })
            #expect(scripted.record.lines[0].last == "QUIT")
            #expect(await fixture.deliver().map(\.kind) == ["accepted 250"])
        }

        @Test(arguments: [ScriptedLMTPServer.Step.serve(Manners()), .cut("220 hi", after: 3)])
        func `nothing holds a message when its delivery is over`(step: ScriptedLMTPServer.Step) async throws {
            final class Body: MessageBody {
                let length = 1000
                func read(at offset: Int, most: Int) -> ByteBuffer {
                    ByteBuffer(repeating: 65, count: min(most, length - offset))
                }
            }
            let scripted = try ScriptedLMTPServer([step])
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted)
            func deliver() async -> () -> Body? {
                let body = Body()
                _ = await fixture.deliver(
                    ["a@x"], OutgoingMessage(header: ByteBuffer(string: "A: b\r\n\r\n"), body: body))
                return { [weak body] in body }
            }
            let body = await deliver()
            #expect(try await eventually { body() == nil })
        }

        // MARK: bounds

        @Test func `a delivery that finds no free connection gives up`() async throws {
            var manners = Manners()
            manners.delay = 350
            let scripted = try ScriptedLMTPServer([.serve(manners)])
            defer { scripted.stop() }
            // Each delivery takes five replies of 350 ms; whoever waits has 700 + 300 ms.
            let kinds = await deliverAtOnce(45, LMTPFixture(scripted, timeout: 700, connectTimeout: 300))
            #expect(kinds["unreachable"] == 5)
            #expect(kinds["accepted 250"] == 40)
            #expect(scripted.record.mostOpen == 40)
        }

        @Test(arguments: [(["PIPELINING", "CHUNKING"], "unknown"), ([], "unreachable")])
        func `a server that gives each reply just in time is left after the overall time`(
            offers: [String], kind: String
        ) async throws {
            var manners = Manners(offers: offers)
            manners.delay = 250
            let scripted = try ScriptedLMTPServer([.serve(manners)])
            defer { scripted.stop() }
            let start = ContinuousClock.now
            let fixture = LMTPFixture(scripted, timeout: 2000, overall: 700)
            let outcomes = await fixture.deliver()
            let time = ContinuousClock.now - start
            #expect(outcomes.map(\.kind) == [kind])
            #expect(outcomes.first?.reason == "not done within 700 ms in all")
            #expect(time > .milliseconds(650), "\(time)")
            #expect(try await eventually { scripted.record.open == 0 })
        }

        @Test func `the overall time covers all parts and the greeting`() async throws {
            var manners = Manners()
            manners.delay = 100
            let slow = manners
            let scripted = try ScriptedLMTPServer { number in
                number == 0 ? [.wait(milliseconds: 500), .serve(slow)] : [.serve(slow)]
            }
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted, timeout: 5000, overall: 200)
            let start = ContinuousClock.now
            let outcomes = await fixture.deliver((0..<120).map { "u\($0)@x" })
            #expect(outcomes.map(\.kind) == Array(repeating: "unreachable", count: 120))
            // Not once for each of the three parts.
            #expect(ContinuousClock.now - start < .milliseconds(600))
            // The connection that comes up too late for its delivery is kept for the next, or closed, but not lost.
            #expect(try await eventually { scripted.record.lines[0].first == "LHLO hub.example" })
            await fixture.client.quit()
            try await Task.sleep(for: .milliseconds(300))
            await fixture.client.quit()
            #expect(try await eventually { scripted.record.open == 0 })
        }

        @Test func `the time for a delivery leaves a minute of what the MTA grants`() {
            #expect(LMTPServer.longestDelivery == .seconds(240))
        }
    }
}

/// Outcomes of so many deliveries at once, counted.
func deliverAtOnce(_ count: Int, _ fixture: LMTPFixture) async -> [String: Int] {
    await withTaskGroup(of: String.self) { group in
        for number in 0..<count {
            group.addTask { await fixture.deliver(["u\(number)@x"]).first?.kind ?? "nothing" }
        }
        return await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }
}
