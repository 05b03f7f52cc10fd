import MailWire

/// What a mail program says and what it must hear: one case of a black-box suite.
public struct POP3Dialogue: Sendable, CustomStringConvertible {
    public enum Answer: Sendable {
        /// A line that this regular expression matches whole.
        case line(String)
        /// A line that begins so, then lines up to a dot, which are these: regular expressions that match them whole.
        case listing(String, [String])
        /// The same, but the lines are some among others.
        case listingWith(String, [String])
        /// The connection is closed.
        case end
    }

    public let name: String
    /// What is sent, line by line without line ends, all before the answers are awaited.
    public let steps: [(say: [String], hear: [Answer])]

    public var description: String { name }

    /// Whether some password is refused in it, which is charged to the client's address.
    public var hasRefusal: Bool {
        steps.contains {
            $0.hear.contains { answer in
                if case .line(let pattern) = answer { pattern.contains("AUTH") } else { false }
            }
        }
    }

    init(_ name: String, _ steps: [([String], [Answer])]) {
        self.name = name
        self.steps = steps.map { (say: $0.0, hear: $0.1) }
    }
}

/// The cases of the public suites of POP3 servers: Apache James' Pop3ServerContract and POP3ServerTest (James), nginx's
/// mail_pop3.t (nginx). Told in our own words, with what RFC 1939, 2449 and 5034 want where those servers differ.
///
/// For the user u1@example.com with the password "secret" and two messages, `One note` and `Two note`.
public enum POP3PublicSuites {
    private static let user = "u1@example.com"
    private static let ok = POP3Dialogue.Answer.line(#"\+OK.*"#)
    private static let no = POP3Dialogue.Answer.line("-ERR .*")
    private static let refused = POP3Dialogue.Answer.line(#"-ERR \[AUTH\] .*"#)
    private static let login: ([String], [POP3Dialogue.Answer]) = (["USER \(user)", "PASS secret"], [ok, ok])

    private static func base64(_ text: String) -> String { String(decoding: Base64.encode(text.utf8), as: UTF8.self) }
    private static let plain = base64("\0\(user)\0secret")
    private static let wrong = base64("\0\(user)\0bad")

    /// Before login, and how to log in.
    public static let logins: [POP3Dialogue] = [
        POP3Dialogue("nginx: user and password", [(["USER \(user)"], [ok]), (["PASS secret"], [ok])]),
        POP3Dialogue(
            "nginx: APOP is not offered, and refused", [(["APOP \(user) \(String(repeating: "0", count: 32))"], [no])]),
        POP3Dialogue("nginx: a bare AUTH lists", [(["AUTH"], [.listingWith("+OK", ["PLAIN", "LOGIN"])])]),
        POP3Dialogue(
            "nginx, James: PLAIN with a wrong password, then with the right one",
            [
                (["AUTH PLAIN \(wrong)"], [refused]), (["AUTH PLAIN \(plain)"], [ok]),
                (["STAT"], [.line(#"\+OK 2 \d+"#)]),
            ]),
        POP3Dialogue(
            "James: a refused PLAIN opens nothing", [(["AUTH PLAIN \(wrong)"], [refused]), (["STAT"], [no])]),
        POP3Dialogue("James: PLAIN by continuation", [(["AUTH PLAIN"], [.line(#"\+ "#)]), ([plain], [ok])]),
        POP3Dialogue(
            "nginx: LOGIN",
            [
                (["AUTH LOGIN"], [.line(#"\+ VXNlcm5hbWU6"#)]), ([base64(user)], [.line(#"\+ UGFzc3dvcmQ6"#)]),
                ([base64("secret")], [ok]),
            ]),
        POP3Dialogue(
            "nginx: LOGIN with the name up front",
            [(["AUTH LOGIN \(base64(user))"], [.line(#"\+ UGFzc3dvcmQ6"#)]), ([base64("secret")], [ok])]),
        POP3Dialogue(
            "nginx: LOGIN with everything at once",
            [
                (
                    ["AUTH LOGIN", base64(user), base64("secret")],
                    [.line(#"\+ VXNlcm5hbWU6"#), .line(#"\+ UGFzc3dvcmQ6"#), ok]
                )
            ]),
        POP3Dialogue(
            "nginx, James: mechanisms that are not offered",
            [(["AUTH CRAM-MD5"], [no]), (["AUTH EXTERNAL"], [no]), (["AUTH EXTERNAL \(base64(user))"], [no]), login]),
        POP3Dialogue(
            "James: a malformed AUTH leaves USER as it was",
            [(["USER \(user)"], [ok]), (["AUTH PLAIN !"], [no]), (["PASS secret"], [ok])]),
        POP3Dialogue(
            "James: a cancelled AUTH leaves USER as it was",
            [(["USER \(user)"], [ok]), (["AUTH PLAIN"], [.line(#"\+ "#)]), (["*"], [no]), (["PASS secret"], [ok])]),
        POP3Dialogue(
            "James: a message without end is refused",
            [
                (["AUTH PLAIN"], [.line(#"\+ "#)]), ([String(repeating: "A", count: 20_000)], [no]),
                (["NOOP"], [ok]), login,
            ]),
        POP3Dialogue(
            "James: an initial response of any length that a program may send",
            [(["AUTH PLAIN \(base64("\0\(user)\0" + String(repeating: "x", count: 300)))"], [refused]), login]),
        POP3Dialogue("James: wrong password", [(["USER \(user)", "PASS wrong"], [ok, refused])]),
        POP3Dialogue("James: unknown user", [(["USER nobody@example.com", "PASS secret"], [ok, refused])]),
        POP3Dialogue("James: a password that is not ASCII", [(["USER \(user)", "PASS bär\u{e4}"], [ok, refused])]),
        POP3Dialogue(
            "James: unknown commands", [(["UNKN"], [no]), login, (["UNKN"], [no]), (["STAT"], [ok])]),
        POP3Dialogue(
            "James: what is for an open maildrop alone",
            [
                (
                    ["RSET", "LIST", "UIDL", "STAT", "RETR 1", "TOP 1 0", "DELE 1", "PASS"],
                    Array(repeating: no, count: 8)
                ), login,
            ]),
        POP3Dialogue(
            "James: what is for a closed one alone",
            [login, (["NOOP", "PASS secret", "AUTH", "USER \(user)", "RSET"], [ok, no, no, no, ok])]),
        POP3Dialogue(
            "nginx: an invalid command and NOOP at once", [(["INVALID COMMAND WITH ARGUMENTS", "NOOP"], [no, ok])]),
        POP3Dialogue(
            "nginx: USER, PASS and QUIT at once",
            [(["USER \(user)", "PASS secret", "QUIT"], [ok, ok, ok]), ([], [.end])]),
        POP3Dialogue(
            "James: CAPA before and after login",
            [
                (["CAPA"], [.listingWith("+OK", capabilities)]), login,
                (["CAPA"], [.listingWith("+OK", capabilities)]),
            ]),
    ]

    private static let capabilities = ["USER", "UIDL", "TOP", "PIPELINING", "SASL PLAIN LOGIN.*"]

    /// With the maildrop open. None of them deletes anything in the end.
    public static let maildrops: [POP3Dialogue] = [
        POP3Dialogue(
            "James: STAT, LIST and UIDL agree",
            [
                login, (["STAT"], [.line(#"\+OK 2 \d+"#)]), (["LIST"], [.listing("+OK", [#"1 \d+"#, #"2 \d+"#])]),
                (["UIDL"], [.listing("+OK", [#"1 [!-~]{1,70}"#, #"2 [!-~]{1,70}"#])]),
                (
                    ["LIST 2", "UIDL 2", "LIST 3", "UIDL 3"],
                    [.line(#"\+OK 2 \d+"#), .line(#"\+OK 2 [!-~]{1,70}"#), no, no]
                ),
            ]),
        POP3Dialogue(
            "James: RETR and TOP",
            [
                login, (["RETR 1"], [.listingWith("+OK", ["Subject: One note", ""])]),
                (["TOP 2 0"], [.listingWith("+OK", ["Subject: Two note", ""])]),
                (["RETR", "RETR 3", "TOP", "TOP 1", "TOP 3 0"], [no, no, no, no, no]),
            ]),
        POP3Dialogue(
            "James: deleted is deleted within the session, and RSET takes it back",
            [
                login, (["DELE 1", "DELE 1", "RETR 1", "TOP 1 0", "UIDL 1"], [ok, no, no, no, no]),
                (["LIST"], [.listing("+OK", [#"2 \d+"#])]), (["STAT"], [.line(#"\+OK 1 \d+"#)]),
                (["DELE 2", "STAT", "DELE 3"], [ok, .line(#"\+OK 0 0"#), no]),
                (["RSET"], [ok]), (["LIST"], [.listing("+OK", [#"1 \d+"#, #"2 \d+"#])]),
            ]),
    ]
}
