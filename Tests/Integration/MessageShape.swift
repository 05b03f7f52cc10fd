import TestSupport
import Testing

/// A kind of message that has broken mail software before, and how it travels to the hub.
struct MessageShape: Sendable, CustomTestStringConvertible {
    var name: String
    /// Fields besides From, To, Subject and Message-ID; folded lines separated by LF.
    var fields: [String] = []
    /// Lines end in LF.
    var body: [UInt8]
    var hasMessageID = true
    var parameters = ""
    var transfer = LabSMTPClient.Transfer.data

    var testDescription: String { name }

    static let all: [MessageShape] = [
        MessageShape(name: "plain text", body: text("Dear user,\n\nthis is a real message.\n")),
        MessageShape(name: "plain text in chunks", body: text("One.\n\nTwo.\n"), transfer: .chunks(of: 7)),
        MessageShape(
            name: "8-bit", fields: ["Content-Type: text/plain; charset=utf-8", "X-Raw: Grüße"],
            body: text("Schöne Grüße – привет\n") + [0x80, 0xFE, 0xFF, 0xE4] + text("\n"), parameters: "BODY=8BITMIME"),
        MessageShape(name: "a line of 998 octets", body: line(998) + text("after\n")),
        MessageShape(name: "a line of 5,000 octets", body: line(5000) + text("after\n")),
        MessageShape(name: "a line of 5,000 octets in a chunk", body: line(5000), transfer: .chunks(of: 1_000_000)),
        MessageShape(name: "no final newline", body: text("first\nlast"), transfer: .chunks(of: 1_000_000)),
        MessageShape(name: "a body of dots", body: text(dots)),
        MessageShape(name: "a body of dots in chunks", body: text(dots), transfer: .chunks(of: 100)),
        MessageShape(name: "10 MB", body: large),
        MessageShape(name: "10 MB in chunks", body: large, transfer: .chunks(of: 300_000)),
        MessageShape(name: "NUL octets", body: text("a\u{0}b\n\u{0}\n\u{0}\u{0}c\n")),
        MessageShape(name: "NUL octets in a chunk", body: text("\u{0}.\n\u{0}"), transfer: .chunks(of: 4096)),
        MessageShape(
            name: "a header folded over 20 lines",
            fields: ["X-Folded: 0" + (1...20).map { "\n\($0 % 2 == 0 ? "\t" : "   ")line \($0) " }.joined()],
            body: text("folded\n")),
        MessageShape(name: "no Message-ID", body: text("nameless\n"), hasMessageID: false),
        MessageShape(
            name: "odd fields",
            fields: [
                "X-Tight:value", "X-Empty:", "X-Spaces:   three", "X-Tab:\ttab", "x-lower: Case", "X-Lower: again",
            ],
            body: text("odd\n")),
        MessageShape(name: "an empty body", body: []),
        MessageShape(name: "a body of empty lines", body: text("\n\n\n")),
    ]

    /// The message as it is sent, with CRLF.
    ///
    /// - Parameter token: makes it another message than the same shape sent elsewhere.
    func octets(token: String) -> [UInt8] {
        crlf(text(header(token: token).map { $0 + "\n" }.joined() + "\n") + body)
    }

    /// The header fields as they are sent.
    func header(token: String) -> [String] {
        var header = ["From: Ann <ann@elsewhere.example>", "To: a user of ours:;", "Subject: \(name) \(token)"]
        header.append("Date: Thu, 1 Oct 2026 12:00:00 +0000")
        if hasMessageID {
            header.append("Message-ID: <\(name.filter(\.isLetter)).\(name.count).\(token)@elsewhere.example>")
        }
        return header + fields
    }

    /// What a mailbox server is to have as the body. A message without a newline at its end is given one by Postfix.
    var storedBody: [UInt8] {
        body.isEmpty || body.last == UInt8(ascii: "\n") ? body : body + [UInt8(ascii: "\n")]
    }

    private static let dots = ".\n..\n...\n.leading\n\n.\n \n.\n"
    private static let large = [UInt8](
        (0..<125_000).map { text("\($0) ".padded(to: 79) + "\n") }.joined())

    private static func line(_ length: Int) -> [UInt8] {
        (0..<length).map { UInt8(ascii: "a") + UInt8($0 % 26) } + text("\n")
    }
}

func text(_ text: String) -> [UInt8] { Array(text.utf8) }

/// LF to CRLF.
func crlf(_ octets: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(octets.count + octets.count / 40)
    for octet in octets {
        if octet == UInt8(ascii: "\n") { result.append(UInt8(ascii: "\r")) }
        result.append(octet)
    }
    return result
}

extension String {
    fileprivate func padded(to length: Int) -> String {
        self + String(repeating: "x", count: Swift.max(0, length - utf8.count))
    }
}

/// A short message of its own.
///
/// - Parameter subject: makes it another message; tells it from others in its mailbox.
func note(_ subject: String, fields: [String] = [], body: String = "A note.\n") -> [UInt8] {
    MessageShape(name: subject, fields: fields, body: text(body)).octets(token: "note")
}
