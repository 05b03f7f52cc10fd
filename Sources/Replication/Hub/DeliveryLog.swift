public import CoveyCore

/// How the parts of a message's log line are written.
public enum DeliveryLog {
    /// What came from outside, with nothing in it that could pass for the end of a log line.
    public static func safe(_ text: String) -> String {
        String(decoding: text.utf8.map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }

    /// `u1@example.com,u2@example.com(unknown-user)`: what was not simply delivered says what became of it.
    public static func recipients(_ recipients: [MailboxAddress], _ report: HubDelivery.Report) -> String {
        zip(recipients, report.dispositions).map { recipient, disposition in
            let fate =
                switch disposition {
                case .ours: ""
                case .unknownUser: "(unknown-user)"
                case .temporary: "(deferred)"
                case .refused: "(refused)"
                }
            return safe(recipient.text) + fate
        }.joined(separator: ",")
    }

    /// `a=stored/12ms b=stored:47,unknown-user:3/9ms`: every server's verdicts and time.
    public static func servers(_ report: HubDelivery.Report) -> String {
        report.answers.map { answer in
            var counts: [(text: String, count: Int)] = []
            for outcome in answer.outcomes {
                let text = CopyVerdict(outcome).logText
                if let place = counts.firstIndex(where: { $0.text == text }) {
                    counts[place].count += 1
                } else {
                    counts.append((text, 1))
                }
            }
            let verdicts =
                counts.count == 1
                ? counts[0].text : counts.map { "\($0.text):\($0.count)" }.joined(separator: ",")
            let milliseconds =
                answer.time.components.seconds * 1000 + answer.time.components.attoseconds / 1_000_000_000_000_000
            return "\(answer.server)=\(safe(verdicts))/\(milliseconds)ms"
        }.joined(separator: " ")
    }
}
