import Testing

@testable import MailWire

@Suite struct LMTPClientStateTests {
    private static let commands = "> MAIL FROM:<s@y>|RCPT TO:<a@x>|RCPT TO:<b@x>"

    @Test(arguments: [(LMTPClientState.Dialect.lmtp, "> LHLO hub.example"), (.smtp, "> EHLO hub.example")])
    func `greeting and hello make it ready`(dialect: LMTPClientState.Dialect, hello: String) {
        var state = LMTPClientState(dialect: dialect, heloName: "hub.example")
        #expect(!state.isIdle)
        #expect(LMTPScript.text(of: LMTPScript.happen("220 hi", to: &state)) == hello)
        #expect(!state.isIdle)
        #expect(LMTPScript.text(of: LMTPScript.happen("250 me", to: &state)) == "ready")
        #expect(state.isIdle)
        #expect(!state.isUnanswered)
    }

    @Test(arguments: [
        ["554 go away"], ["421 busy"], ["250 wrong"], ["lost"],
        ["220 hi", "500 what is LHLO"], ["220 hi", "421 bye"], ["220 hi", "220 hi"], ["220 hi", "354 x"],
        ["220 hi", "lost"],
        ["220 hi", "250 me", "421 idle for too long"], ["220 hi", "250 me", "250 unasked"],
        ["220 hi", "250 me", "lost"],
    ])
    func `a connection that is of no use fails once`(events: [String]) {
        var state = LMTPClientState(dialect: .lmtp, heloName: "hub.example")
        var actions = events.map { LMTPScript.text(of: LMTPScript.happen($0, to: &state)) }
        #expect(actions.removeLast() == "fail")
        #expect(!actions.contains("fail"))
        #expect(!state.isIdle)
        #expect(LMTPScript.happen("250 x", to: &state) == .wait)
        #expect(LMTPScript.happen("lost", to: &state) == .wait)
    }

    struct Debt: Sendable, CustomTestStringConvertible {
        var name: String
        var offers = ["PIPELINING"]
        var isProbe = false
        var events: [String]
        var isOwed: Bool
        var testDescription: String { name }
    }

    @Test(arguments: [
        Debt(name: "a probe", isProbe: true, events: ["250 m", "250 a", "250 b"], isOwed: true),
        Debt(name: "no accepted recipient", events: ["250 m", "550 a", "550 b"], isOwed: true),
        Debt(name: "DATA refused", events: ["250 m", "250 a", "250 b", "451 no"], isOwed: true),
        Debt(
            name: "a message without recipients", offers: ["PIPELINING", "CHUNKING"],
            events: ["sent", "250 m", "550 a", "550 b", "554 none"], isOwed: true),
        Debt(
            name: "a message stored", events: ["250 m", "250 a", "250 b", "354 go", "sent", "250 A", "250 B"],
            isOwed: false),
        Debt(
            name: "a message refused", events: ["250 m", "250 a", "250 b", "354 go", "sent", "451 A", "451 B"],
            isOwed: false),
    ])
    func `RSET is owed after whatever was not ended by a message`(debt: Debt) {
        let before = LMTPScript(
            name: "", offers: debt.offers, isProbe: debt.isProbe, first: "", steps: [])
        var state = before.idleClient()
        _ = before.begin(&state)
        for event in debt.events { _ = LMTPScript.happen(event, to: &state) }
        #expect(state.isIdle)
        let after = LMTPScript(name: "", pipelineMessage: false, first: "", steps: [])
        let expected = debt.isOwed ? "> RSET|" + Self.commands.dropFirst(2) : Self.commands
        #expect(LMTPScript.text(of: after.begin(&state)) == expected)
        #expect(state.isUnanswered)
        if debt.isOwed {
            #expect(LMTPScript.happen("250 reset", to: &state) == .wait)
            #expect(!state.isUnanswered)
        }
    }

    @Test(arguments: ["421 bye", "500 what", "354 go"])
    func `a server that does not reset gets no message`(reply: String) {
        let script = LMTPScript(name: "", isProbe: true, first: "", steps: [])
        var state = script.idleClient()
        _ = script.begin(&state)
        for event in ["250 m", "250 a", "250 b"] { _ = LMTPScript.happen(event, to: &state) }
        _ = LMTPScript(name: "", pipelineMessage: false, first: "", steps: []).begin(&state)
        #expect(LMTPScript.text(of: LMTPScript.happen(reply, to: &state)) == "end: unreachable, unreachable; close")
    }
}
