import MailWire
import TestSupport
import Testing

@testable import MailNet

extension LMTPTests {
    /// A connection that was kept and that the server has closed meanwhile: another one is tried exactly when the server
    /// said nothing to the message.
    @Suite struct LMTPStaleConnectionTests {
        typealias Step = ScriptedLMTPServer.Step

        /// A first delivery that goes well on the first connection.
        private static let once: [Step] =
            LMTPTests.LMTPMisbehaviourTests.hello + LMTPTests.LMTPMisbehaviourTests.envelope + [
                .readMessage, .raw("250 m\r\n250 a\r\n250 A\r\n"),
            ]

        private func second(_ afterwards: [Step], timeout: Int64 = 10_000) async throws -> (
            kinds: [String], connections: Int
        ) {
            let scripted = try ScriptedLMTPServer { number in
                number == 0 ? Self.once + afterwards : [.serve(.init())]
            }
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted, timeout: timeout)
            #expect(await fixture.deliver().map(\.kind) == ["accepted 250"])
            let kinds = await fixture.deliver().map(\.kind)
            let connections = scripted.record.accepted
            await fixture.client.quit()
            #expect(try await eventually { scripted.record.open == 0 })
            return (kinds, connections)
        }

        @Test(
            arguments: [
                [.expect("MAIL")], [.read(10)], [],
            ] as [[Step]])
        func `closed without a word: a fresh connection delivers`(afterwards: [Step]) async throws {
            let result = try await second(afterwards)
            #expect(result.kinds == ["accepted 250"])
            #expect(result.connections == 2)
        }

        @Test(
            arguments: [
                ([.expect("MAIL"), .cut("250 m", after: 7)], "unknown"),
                ([.expect("MAIL"), .cut("250 m", after: 3)], "unknown"),
                ([.expect("MAIL"), .reply("421 bye")], "refused 421 mail"),
                ([.expect("MAIL"), .reply("hm")], "unknown"),
            ] as [([Step], String)])
        func `closed after a word: no other connection is tried`(afterwards: [Step], kind: String) async throws {
            let result = try await second(afterwards + [.drain])
            #expect(result.kinds == [kind])
            #expect(result.connections == 1)
        }

        @Test func `silence is no sign of a restart, and is waited for once`() async throws {
            let result = try await second([.expect("MAIL"), .stall], timeout: 300)
            #expect(result.kinds == ["unknown"])
            #expect(result.connections == 1)
        }

        @Test func `an extra reply after a message is not taken for the answer to the next`() async throws {
            // In one piece with the last reply: one that comes later cannot be told from an answer.
            let scripted = try ScriptedLMTPServer { number in
                number == 0
                    ? Self.once.dropLast() + [.raw("250 m\r\n250 a\r\n250 A\r\n250 again\r\n"), .drain]
                    : [.serve(.init())]
            }
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted)
            #expect(await fixture.deliver().map(\.kind) == ["accepted 250"])
            #expect(await fixture.deliver().map(\.kind) == ["accepted 250"])
            #expect(scripted.record.messages.count == 2)
            #expect(scripted.record.accepted == 2)
        }

        @Test func `after a restart of the server all deliveries go on`() async throws {
            let scripted = try ScriptedLMTPServer([.serve(.init())])
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted)
            for _ in 0..<5 {
                #expect(await deliverAtOnce(30, fixture) == ["accepted 250": 30])
                scripted.dropConnections()
            }
            #expect(scripted.record.messages.count == 150)
            #expect(scripted.record.mostOpen <= 80)
        }

        @Test func `a server that closes after every transaction costs a connection each, no delivery`() async throws {
            var manners = ScriptedLMTPServer.Manners()
            manners.mostTransactions = 1
            let scripted = try ScriptedLMTPServer([.serve(manners)])
            defer { scripted.stop() }
            let fixture = LMTPFixture(scripted)
            for _ in 0..<5 { #expect(await fixture.deliver().map(\.kind) == ["accepted 250"]) }
            #expect(scripted.record.accepted == 5)
            #expect(scripted.record.messages.count == 5)
            #expect(await deliverAtOnce(80, fixture) == ["accepted 250": 80])
            await fixture.client.quit()
            #expect(try await eventually { scripted.record.open == 0 })
        }
    }
}
