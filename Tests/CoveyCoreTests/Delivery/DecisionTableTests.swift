import CoveyCore
import Testing

/// One message in the terms of design §4.1 and §4.3.
struct DecisionCase: CustomTestStringConvertible, Sendable {
    enum Expected: Equatable {
        case discard
        /// Places of recipients to remove, and `recipient:server` for each missing copy.
        case proceed(_ remove: [Int], missing: String)
        case tempfail
        case reject(String)

        init(_ decision: MessageDecision) {
            switch decision {
            case .discard: self = .discard
            case .proceed(let remove, let missing):
                self = .proceed(
                    remove, missing: missing.map { "\($0.recipient):\($0.server)" }.joined(separator: " "))
            case .tempfail(let reply):
                // The table's 451 4.3.x; anything else must not pass for it.
                let isRight = reply.code == 451 && reply.enhanced.hasPrefix("4.3.")
                self = isRight ? .tempfail : .reject("\(reply.code) \(reply.enhanced)")
            case .reject(let reply): self = .reject("\(reply.code) \(reply.enhanced) \(reply.text)")
            }
        }
    }

    /// The recipients' verdicts, one word for each.
    var recipients: String
    var minimum: String
    var others: Bool
    var mayDiscard: Bool
    var expected: Expected

    init(
        _ recipients: String, min minimum: String = "1", others: Bool = false, mayDiscard: Bool = true,
        _ expected: Expected
    ) {
        self.recipients = recipients
        self.minimum = minimum
        self.others = others
        self.mayDiscard = mayDiscard
        self.expected = expected
    }

    var testDescription: String {
        "\(recipients) min_copies=\(minimum)\(others ? " others" : "")\(mayDiscard ? "" : " keep") -> \(expected)"
    }

    var dispositions: [RecipientDisposition] {
        recipients.split(separator: " ").map {
            RecipientDisposition(
                verdicts: VerdictNotation.read($0), minimum: VerdictNotation.minimum(minimum))
        }
    }

    static let stays = Expected.proceed([], missing: "")
    static let full = Expected.reject("552 5.2.2 mailbox full")
    static let unknown = Expected.reject("550 5.1.1 no such user")
}

@Suite struct DecisionTableTests {
    @Test(arguments: [
        // All stored it.
        DecisionCase("SS", .discard), DecisionCase("SSS", .discard), DecisionCase("SS SS", .discard),
        DecisionCase("SS", min: "0", .discard), DecisionCase("SS", min: "2", .discard),
        DecisionCase("SSS", min: "all", .discard),
        // What is left for the MTA, or what it may owe to others, forbids DISCARD.
        DecisionCase("SS", mayDiscard: false, .proceed([0], missing: "")),
        DecisionCase("SS", others: true, .proceed([0], missing: "")),
        // min_copies stored it, others failed, are down or left their fate unknown.
        DecisionCase("SD", .proceed([0], missing: "0:1")), DecisionCase("DS", .proceed([0], missing: "0:0")),
        DecisionCase("SF", .proceed([0], missing: "0:1")), DecisionCase("TS", .proceed([0], missing: "0:0")),
        DecisionCase("DSD", .proceed([0], missing: "0:0 0:2")),
        DecisionCase("SD", min: "0", .proceed([0], missing: "0:1")),
        DecisionCase("SSD", min: "2", .proceed([0], missing: "0:2")),
        DecisionCase("FST", .proceed([0], missing: "0:0 0:2")),
        DecisionCase("SD", others: true, .proceed([0], missing: "0:1")),
        DecisionCase("SD SD", .proceed([0, 1], missing: "0:1 1:1")),
        // Fewer, for reasons that may pass: 451 if no recipient is stored yet, whoever else the message is for.
        DecisionCase("DD", .tempfail), DecisionCase("TT", .tempfail), DecisionCase("FF", .tempfail),
        DecisionCase("TD", .tempfail), DecisionCase("DFT", .tempfail), DecisionCase("DD", others: true, .tempfail),
        DecisionCase("SD", min: "2", .tempfail), DecisionCase("SD", min: "all", .tempfail),
        DecisionCase("SDD", min: "2", .tempfail),
        DecisionCase("SSD", min: "all", .tempfail), DecisionCase("SSF", min: "all", .tempfail),
        // Else that recipient stays with the MTA, for the back door.
        DecisionCase("SS TT", .proceed([0], missing: "")), DecisionCase("TT SS", .proceed([1], missing: "")),
        DecisionCase("SS ST", min: "2", .proceed([0], missing: "")),
        DecisionCase("SD TD", .proceed([0], missing: "0:1")),
        // Refused for good by all: 5xx if true of all recipients, else left to the MTA.
        DecisionCase("GG", DecisionCase.full), DecisionCase("GGG", min: "2", DecisionCase.full),
        DecisionCase("GG GG", DecisionCase.full), DecisionCase("GG", min: "0", DecisionCase.full),
        DecisionCase("UG", DecisionCase.full), DecisionCase("GU", DecisionCase.full),
        DecisionCase("GG", others: true, DecisionCase.stays), DecisionCase("SS GG", .proceed([0], missing: "")),
        DecisionCase("GG UU", DecisionCase.stays), DecisionCase("GG TT", .tempfail),
        // Not by all, so it may pass.
        DecisionCase("GD", .tempfail), DecisionCase("GT", .tempfail), DecisionCase("GF", .tempfail),
        DecisionCase("GGD", .tempfail),
        // Refused by one, stored by another: a missing copy, as long as there are enough.
        DecisionCase("SG", .proceed([0], missing: "0:1")), DecisionCase("US", .proceed([0], missing: "0:0")),
        DecisionCase("SGS", min: "2", .proceed([0], missing: "0:1")), DecisionCase("SG", min: "2", .tempfail),
        DecisionCase("SU", min: "all", .tempfail),
        // Every answering server says 5.1.1: left to the MTA. A server that had taken the recipient did answer.
        DecisionCase("UU", DecisionCase.stays), DecisionCase("UD", DecisionCase.stays),
        DecisionCase("DUD", DecisionCase.stays), DecisionCase("UU", others: true, DecisionCase.stays),
        DecisionCase("UD", min: "0", DecisionCase.stays), DecisionCase("SS UU", .proceed([0], missing: "")),
        DecisionCase("SD UD", .proceed([0], missing: "0:1")), DecisionCase("UT", .tempfail),
        DecisionCase("UF", .tempfail), DecisionCase("UU TT", .tempfail),
        // min_copies = 0: the hub's queue is enough while every server is down, and only then.
        DecisionCase("DD", min: "0", .proceed([0], missing: "0:0 0:1")),
        DecisionCase("DDD", min: "0", .proceed([0], missing: "0:0 0:1 0:2")),
        DecisionCase("DD DD", min: "0", .proceed([0, 1], missing: "0:0 0:1 1:0 1:1")),
        DecisionCase("FD", min: "0", .proceed([0], missing: "0:0 0:1")), DecisionCase("TT", min: "0", .tempfail),
        DecisionCase("TD", min: "0", .tempfail),
    ])
    func `the front door follows the table`(message: DecisionCase) {
        let decision = MessageDecision.frontDoor(
            message.dispositions, hasOthers: message.others, mayDiscard: message.mayDiscard)
        #expect(DecisionCase.Expected(decision) == message.expected)
    }

    @Test(arguments: [
        DecisionCase("SS", .discard), DecisionCase("SS", mayDiscard: false, .proceed([0], missing: "")),
        DecisionCase("SD", .proceed([0], missing: "0:1")), DecisionCase("US", .proceed([0], missing: "0:0")),
        DecisionCase("SSD", min: "2", .proceed([0], missing: "0:2")), DecisionCase("SD", min: "2", .tempfail),
        DecisionCase("SD", min: "all", .tempfail), DecisionCase("DD", min: "0", .proceed([0], missing: "0:0 0:1")),
        DecisionCase("DD", .tempfail), DecisionCase("TT", .tempfail), DecisionCase("FF", .tempfail),
        // 5.1.1 only if every configured server says so.
        DecisionCase("UU", DecisionCase.unknown), DecisionCase("UUU", DecisionCase.unknown),
        DecisionCase("UD", .tempfail), DecisionCase("UUD", .tempfail), DecisionCase("UF", .tempfail),
        DecisionCase("UT", .tempfail),
        DecisionCase("GG", DecisionCase.full), DecisionCase("UG", DecisionCase.full), DecisionCase("GD", .tempfail),
        // Several recipients, though none should come: nothing is left unhandled.
        DecisionCase("SS SS", .discard), DecisionCase("SS SD", .proceed([0, 1], missing: "1:1")),
        DecisionCase("SS UU", .tempfail), DecisionCase("SS DD", .tempfail), DecisionCase("GG UU", DecisionCase.full),
        DecisionCase("UU TT", .tempfail),
    ])
    func `the back door is final`(message: DecisionCase) {
        let decision = MessageDecision.backDoor(message.dispositions, mayDiscard: message.mayDiscard)
        #expect(DecisionCase.Expected(decision) == message.expected)
    }

    @Test func `a server's own words reach the sender of a message that nobody could store`() {
        let reply = ReplyText(code: 451, enhanced: "4.3.0", text: "mailbox server: index is being rebuilt")
        let disposition = RecipientDisposition(verdicts: VerdictNotation.read("DT"), minimum: .count(1))
        #expect(disposition == .temporary(reply))
    }
}

/// Everything that the servers can say, and what must be true of the answer.
@Suite struct DecisionPropertyTests {
    static let words = VerdictNotation.all(2) + VerdictNotation.all(3)

    private static func wanted(_ minimum: String, _ word: String) -> Int { Int(minimum) ?? word.count }

    @Test(arguments: ["0", "1", "2", "all"])
    func `a recipient is ours exactly when a 250 keeps its promise`(minimum: String) {
        for word in Self.words {
            let stored = word.count { $0 == "S" }
            let isSilent = word.allSatisfy { "DF".contains($0) }
            let wanted = Self.wanted(minimum, word)
            let promised = stored >= max(1, wanted) || (wanted == 0 && isSilent)
            let disposition = RecipientDisposition(
                verdicts: VerdictNotation.read(word[...]), minimum: VerdictNotation.minimum(minimum))
            guard case .ours(let missing, let drifted) = disposition else {
                #expect(!promised, "\(word)")
                continue
            }
            #expect(promised, "\(word)")
            // Every server has a copy or is owed one.
            #expect(missing == word.enumerated().filter { $0.element != "S" }.map(\.offset), "\(word)")
            #expect(drifted == word.contains { "UG".contains($0) }, "\(word)")
        }
    }

    @Test(arguments: ["0", "1", "2", "all"])
    func `a refusal for good needs every server`(minimum: String) {
        for word in Self.words {
            let disposition = RecipientDisposition(
                verdicts: VerdictNotation.read(word[...]), minimum: VerdictNotation.minimum(minimum))
            switch disposition {
            case .refused:
                #expect(word.allSatisfy { "UG".contains($0) } && word.contains("G"), "\(word)")
            case .unknownUser(_, let byAll):
                #expect(word.contains("U") && word.allSatisfy { "UD".contains($0) }, "\(word)")
                #expect(byAll == word.allSatisfy { $0 == "U" }, "\(word)")
            case .temporary(let reply):
                #expect(reply.code == 451 && reply.enhanced.hasPrefix("4.3."), "\(word)")
                #expect(word.contains { "TDF".contains($0) } || word.contains("S"), "\(word)")
            case .ours: continue
            }
        }
    }

    @Test(arguments: ["0", "1", "all"])
    func `nothing is dropped that somebody lacks, nothing goes on at the back door that would come back`(
        minimum: String
    ) {
        let words = VerdictNotation.all(2)
        for first in words {
            for second in words {
                let dispositions = [first, second].map {
                    RecipientDisposition(
                        verdicts: VerdictNotation.read($0[...]), minimum: VerdictNotation.minimum(minimum))
                }
                let isWhole = first == "SS" && second == "SS"
                let front = MessageDecision.frontDoor(dispositions, hasOthers: false, mayDiscard: true)
                let back = MessageDecision.backDoor(dispositions, mayDiscard: true)
                #expect((front == .discard) == isWhole, "\(first) \(second)")
                #expect((back == .discard) == isWhole, "\(first) \(second)")
                #expect(
                    MessageDecision.frontDoor(dispositions, hasOthers: true, mayDiscard: true) != .discard)
                if case .proceed(let remove, _) = back { #expect(remove == [0, 1], "\(first) \(second)") }
            }
        }
    }
}
