import Testing

@testable import MailWire

@Suite struct LMTPTransactionTests {
    private static let bdat = "> MAIL FROM:<s@y>|RCPT TO:<a@x>|RCPT TO:<b@x>|BDAT 100 LAST + counted"
    private static let commands = "> MAIL FROM:<s@y>|RCPT TO:<a@x>|RCPT TO:<b@x>"

    static let pipelined: [LMTPScript] = [
        LMTPScript(
            name: "all in one write, a reply for each recipient", first: bdat,
            steps: [
                ("sent", "wait"), ("250 m", "wait"), ("250 a", "wait"), ("250 b", "wait"), ("250 A", "wait"),
                ("250 B", "end: accepted 250, accepted 250; keep"),
            ]),
        LMTPScript(
            name: "one recipient refused, the replies belong to the others", first: bdat,
            steps: [
                ("sent", "wait"), ("250 m", "wait"), ("550 a", "wait"), ("250 b", "wait"),
                ("250 B", "end: refused 550 recipient, accepted 250; keep"),
            ]),
        LMTPScript(
            name: "one stored, one over quota", first: bdat,
            steps: [
                ("sent", "wait"), ("250 m", "wait"), ("250 a", "wait"), ("250 b", "wait"), ("250 A", "wait"),
                ("552 B", "end: accepted 250, refused 552 data; keep"),
            ]),
        LMTPScript(
            name: "no recipient accepted: one refusal for the message", first: bdat,
            steps: [
                ("sent", "wait"), ("250 m", "wait"), ("550 a", "wait"), ("451 b", "wait"),
                ("554 no valid recipients", "end: refused 550 recipient, refused 451 recipient; keep"),
            ]),
        LMTPScript(
            name: "MAIL refused", first: bdat,
            steps: [("sent", "wait"), ("452 m", "end: refused 452 mail, refused 452 mail; close")]),
        LMTPScript(
            name: "early refusal while the message is still being sent", first: bdat,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("250 b", "wait"), ("552 A", "wait"),
                ("552 B", "end: refused 552 data, refused 552 data; close"),
            ]),
        LMTPScript(
            name: "early refusal for one, then all is sent", first: bdat,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("250 b", "wait"), ("552 A", "wait"), ("sent", "wait"),
                ("250 B", "end: refused 552 data, accepted 250; keep"),
            ]),
        LMTPScript(
            name: "a message accepted before it was sent is accepted by nobody", first: bdat,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("250 b", "wait"),
                ("250 A", "end: unreachable, unreachable; close"),
            ]),
        LMTPScript(
            name: "421 to RCPT", first: bdat,
            steps: [
                ("sent", "wait"), ("250 m", "wait"), ("250 a", "wait"),
                ("421 b", "end: refused 421 recipient, refused 421 recipient; close"),
            ]),
        LMTPScript(
            name: "421 to the message, first of two", first: bdat,
            steps: [
                ("sent", "wait"), ("250 m", "wait"), ("250 a", "wait"), ("250 b", "wait"),
                ("421 A", "end: refused 421 data, unknown; close"),
            ]),
        LMTPScript(
            name: "421 to the message, second of two", first: bdat,
            steps: [
                ("sent", "wait"), ("250 m", "wait"), ("250 a", "wait"), ("250 b", "wait"), ("250 A", "wait"),
                ("421 B", "end: accepted 250, refused 421 data; close"),
            ]),
        LMTPScript(
            name: "421 to a message not wholly sent", first: bdat,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("250 b", "wait"),
                ("421 A", "end: refused 421 data, refused 421 data; close"),
            ]),
        LMTPScript(
            name: "lost before the message was wholly sent", first: bdat,
            steps: [("250 m", "wait"), ("lost", "end: unreachable, unreachable; close")]),
        LMTPScript(
            name: "lost after, without any reply", first: bdat,
            steps: [("sent", "wait"), ("lost", "end: unknown, unknown; close")]),
        LMTPScript(
            name: "lost after one recipient was refused", first: bdat,
            steps: [
                ("sent", "wait"), ("250 m", "wait"), ("550 a", "wait"),
                ("lost", "end: refused 550 recipient, unknown; close"),
            ]),
        LMTPScript(
            name: "fewer replies than recipients", first: bdat,
            steps: [
                ("sent", "wait"), ("250 m", "wait"), ("250 a", "wait"), ("250 b", "wait"), ("250 A", "wait"),
                ("lost", "end: accepted 250, unknown; close"),
            ]),
        LMTPScript(
            name: "354 to MAIL is out of step", first: bdat,
            steps: [("sent", "wait"), ("354 m", "end: unknown, unknown; close")]),
        LMTPScript(
            name: "354 to the message is out of step", first: bdat,
            steps: [
                ("sent", "wait"), ("250 m", "wait"), ("250 a", "wait"), ("250 b", "wait"), ("250 A", "wait"),
                ("354 B", "end: accepted 250, unknown; close"),
            ]),
    ]

    static let stepwise: [LMTPScript] = [
        LMTPScript(
            name: "large message: recipients first, then BDAT", pipelineMessage: false, first: commands,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("250 b", "> BDAT 100 LAST + counted"), ("sent", "wait"),
                ("250 A", "wait"), ("250 B", "end: accepted 250, accepted 250; keep"),
            ]),
        LMTPScript(
            name: "large message that nobody wants is not sent", pipelineMessage: false, first: commands,
            steps: [
                ("250 m", "wait"), ("550 a", "wait"),
                ("550 b", "end: refused 550 recipient, refused 550 recipient; keep"),
            ]),
        LMTPScript(
            name: "DATA with pipelining", offers: ["PIPELINING"], first: commands,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("550 b", "> DATA"), ("354 go", ">  + dotStuffed"),
                ("sent", "wait"), ("250 A", "end: accepted 250, refused 550 recipient; keep"),
            ]),
        LMTPScript(
            name: "one command at a time", offers: [], first: "> MAIL FROM:<s@y>",
            steps: [
                ("250 m", "> RCPT TO:<a@x>"), ("250 a", "> RCPT TO:<b@x>"), ("250 b", "> DATA"),
                ("354 go", ">  + dotStuffed"), ("sent", "wait"), ("250 A", "wait"),
                ("452 B", "end: accepted 250, refused 452 data; keep"),
            ]),
        LMTPScript(
            name: "one command at a time with BDAT", offers: ["CHUNKING"], recipients: ["a@x"],
            first: "> MAIL FROM:<s@y>",
            steps: [
                ("250 m", "> RCPT TO:<a@x>"), ("250 a", "> BDAT 100 LAST + counted"), ("sent", "wait"),
                ("250 A", "end: accepted 250; keep"),
            ]),
        LMTPScript(
            name: "MAIL refused, one at a time: nothing is owed", offers: [], first: "> MAIL FROM:<s@y>",
            steps: [("550 m", "end: refused 550 mail, refused 550 mail; keep")]),
        LMTPScript(
            name: "421 to MAIL", offers: [], first: "> MAIL FROM:<s@y>",
            steps: [("421 m", "end: refused 421 mail, refused 421 mail; close")]),
        LMTPScript(
            name: "421 to RCPT: the accepted one is not delivered either", offers: [], first: "> MAIL FROM:<s@y>",
            steps: [
                ("250 m", "> RCPT TO:<a@x>"), ("250 a", "> RCPT TO:<b@x>"),
                ("421 b", "end: refused 421 recipient, refused 421 recipient; close"),
            ]),
        LMTPScript(
            name: "DATA refused", offers: ["PIPELINING"], first: commands,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("550 b", "> DATA"),
                ("451 no", "end: refused 451 data, refused 550 recipient; keep"),
            ]),
        LMTPScript(
            name: "421 to DATA", offers: ["PIPELINING"], first: commands,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("250 b", "> DATA"),
                ("421 no", "end: refused 421 data, refused 421 data; close"),
            ]),
        LMTPScript(
            name: "250 to DATA is out of step", offers: ["PIPELINING"], first: commands,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("550 b", "> DATA"),
                ("250 no", "end: unreachable, refused 550 recipient; close"),
            ]),
        LMTPScript(
            name: "354 to RCPT is out of step", offers: ["PIPELINING"], first: commands,
            steps: [("250 m", "wait"), ("354 a", "end: unreachable, unreachable; close")]),
        LMTPScript(
            name: "lost after DATA", offers: ["PIPELINING"], first: commands,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("250 b", "> DATA"),
                ("lost", "end: unreachable, unreachable; close"),
            ]),
        LMTPScript(
            name: "lost in the message", offers: ["PIPELINING"], first: commands,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("250 b", "> DATA"), ("354 go", ">  + dotStuffed"),
                ("lost", "end: unreachable, unreachable; close"),
            ]),
        LMTPScript(
            name: "lost after the final dot", offers: ["PIPELINING"], first: commands,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("250 b", "> DATA"), ("354 go", ">  + dotStuffed"),
                ("sent", "wait"), ("lost", "end: unknown, unknown; close"),
            ]),
        LMTPScript(
            name: "SMTP: one reply for all recipients", dialect: .smtp, first: bdat,
            steps: [
                ("sent", "wait"), ("250 m", "wait"), ("250 a", "wait"), ("250 b", "wait"),
                ("250 all", "end: accepted 250, accepted 250; keep"),
            ]),
        LMTPScript(
            name: "SMTP: one refusal for all accepted recipients", offers: [], dialect: .smtp,
            recipients: ["a@x", "b@x", "c@x"], first: "> MAIL FROM:<s@y>",
            steps: [
                ("250 m", "> RCPT TO:<a@x>"), ("250 a", "> RCPT TO:<b@x>"), ("550 b", "> RCPT TO:<c@x>"),
                ("250 c", "> DATA"), ("354 go", ">  + dotStuffed"), ("sent", "wait"),
                ("554 spam", "end: refused 554 data, refused 550 recipient, refused 554 data; keep"),
            ]),
        LMTPScript(
            name: "a bounce with BODY and SIZE", offers: ["SIZE 1000", "8BITMIME"], recipients: ["a@x"], sender: "",
            bodyType: "8BITMIME", first: "> MAIL FROM:<> BODY=8BITMIME SIZE=100",
            steps: [("lost", "end: unreachable; close")]),
        LMTPScript(
            name: "BODY is left out where it is not offered", offers: [], recipients: ["a@x"], bodyType: "8BITMIME",
            first: "> MAIL FROM:<s@y>", steps: [("lost", "end: unreachable; close")]),
        LMTPScript(
            name: "BODY is not a place for anything else", recipients: ["a@x"], bodyType: "8BITMIME\r\nX",
            pipelineMessage: false, first: "> MAIL FROM:<s@y>|RCPT TO:<a@x>",
            steps: [("lost", "end: unreachable; close")]),
        LMTPScript(
            name: "a probe", isProbe: true, first: commands,
            steps: [
                ("250 m", "wait"), ("250 a", "wait"), ("550 b", "end: accepted 250, refused 550 recipient; keep"),
            ]),
        LMTPScript(
            name: "a probe that is cut", isProbe: true, first: commands,
            steps: [("250 m", "wait"), ("250 a", "wait"), ("lost", "end: accepted 250, unreachable; close")]),
        LMTPScript(
            name: "a probe, one command at a time", offers: [], recipients: ["a@x"], isProbe: true,
            first: "> MAIL FROM:<s@y>",
            steps: [("250 m", "> RCPT TO:<a@x>"), ("450 a", "end: refused 450 recipient; keep")]),
    ]

    @Test(arguments: pipelined + stepwise)
    func `a transaction does and concludes what its table says`(script: LMTPScript) {
        var state = script.idleClient()
        #expect(LMTPScript.text(of: script.begin(&state)) == script.first)
        #expect(state.isUnanswered)
        for step in script.steps {
            let action = LMTPScript.happen(step.event, to: &state)
            #expect(LMTPScript.text(of: action) == step.action, "after \(step.event)")
        }
        let isKept = script.steps.last?.action.hasSuffix("keep")
        #expect(state.isIdle == isKept)
    }

    @Test(arguments: pipelined + stepwise)
    func `a connection lost at any stage ends the transaction once`(script: LMTPScript) {
        for stage in 0..<script.steps.count {
            var state = script.idleClient()
            _ = script.begin(&state)
            for step in script.steps.prefix(stage) { _ = LMTPScript.happen(step.event, to: &state) }
            guard case .finish(let outcomes, reusable: false) = state.failed("lost") else {
                Issue.record("no end after \(stage) steps")
                continue
            }
            #expect(outcomes.count == script.recipients.count)
            let wasSent = script.steps.prefix(stage).contains { $0.event == "sent" }
            // Whether a copy may exist turns on the last octet of the message alone.
            #expect(wasSent || !outcomes.contains(.unknown("lost")), "stage \(stage)")
            #expect(!wasSent || !outcomes.contains(.unreachable("lost")), "stage \(stage)")
            #expect(state.failed("again") == .wait)
            #expect(state.received(SMTPReply(code: 250, lines: [""])) == .wait)
            #expect(state.messageSent() == .wait)
        }
    }
}
