import MailNet
import TestSupport
import Testing

/// The public suites' dialogues before scripted servers; with Dovecots: Integration.
@Suite(.timeLimit(.minutes(5))) struct PublicSuiteTests {
    @Test(arguments: POP3PublicSuites.logins + POP3PublicSuites.maildrops)
    func `answers as public suites want it`(dialogue: POP3Dialogue) async throws {
        var script = ScriptedPOP3Server.Script()
        script.messages = ["One", "Two"].map { subject in
            .init(
                uniqueID: "cv1" + String(repeating: subject == "One" ? "a" : "b", count: 25) + "a",
                content: "Message-ID: <\(subject)@x>\r\nSubject: \(subject) note\r\n\r\n\(subject)\r\n")
        }
        script.refusedUsers = ["nobody@example.com"]
        try await POP3ProxyFixture.run([script, script]) { fixture in
            let client = try await fixture.client()
            let greeting = try await client.line()
            #expect(greeting.hasPrefix("+OK") && !greeting.contains("<"), "no salt for APOP")
            for step in dialogue.steps {
                if !step.say.isEmpty { try await client.send(step.say.map { $0 + "\r\n" }.joined()) }
                for answer in step.hear { try await check(client, answer, to: step.say) }
            }
            await client.close()
        }
    }

    private func check(_ client: POP3TestClient, _ answer: POP3Dialogue.Answer, to said: [String]) async throws {
        switch answer {
        case .line(let pattern):
            let line = try await client.line()
            #expect(try line.wholeMatch(of: Regex(pattern)) != nil, "\(said.map { $0.prefix(40) }): \(line)")
        case .listing(let status, let patterns), .listingWith(let status, let patterns):
            let line = try await client.line()
            #expect(line.hasPrefix(status))
            let lines = try await client.lines().map { String($0.dropLast()) }
            if case .listing = answer { #expect(lines.count == patterns.count, "\(lines)") }
            for pattern in patterns {
                #expect(try lines.contains { try $0.wholeMatch(of: Regex(pattern)) != nil }, "\(pattern): \(lines)")
            }
        case .end: #expect(await client.rest() == "")
        }
    }
}
