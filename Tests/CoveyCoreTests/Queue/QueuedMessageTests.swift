import Testing

@testable import CoveyCore

@Suite struct QueuedMessageTests {
    /// What Postfix 3.7.11 printed.
    static let real = #"""
        {"queue_name": "deferred", "queue_id": "D73A614C0E3", "arrival_time": 1795478467, "message_size": 472, "forced_expire": false, "sender": "ann@elsewhere.example", "recipients": [{"address": "u5@example.com.b.covey.invalid", "delay_reason": "host 10.77.0.22[10.77.0.22] said: 550 5.1.1 <u5@example.com> User doesn't exist: u5@example.com (in reply to RCPT TO command)"}]}
        """#

    @Test func `a line of Postfix's is understood`() throws {
        let message = try #require(QueuedMessage(postqueueLine: Self.real.utf8))
        #expect(message.queueID == "D73A614C0E3")
        #expect(message.arrival == 1_795_478_467)
        #expect(!message.isFromNobody && !message.isToExpire)
        let copies = message.missingCopies
        #expect(copies.map(\.server) == ["b"])
        #expect(copies.map(\.mailbox) == ["u5@example.com"])
        #expect(copies.map(\.isRefused) == [true])
    }

    @Test func `only recipients of missing copies count, each by itself`() throws {
        let line = """
            {"queue_id":"A","arrival_time":5,"sender":"MAILER-DAEMON","forced_expire":true,"recipients":[\
            {"address":"u1@example.com.a.covey.invalid"},{"address":"bob@remote.test","delay_reason":"x"},\
            {"address":"u1@example.com.b.covey.invalid","delay_reason":"connect to b: Connection refused"}]}
            """
        let message = try #require(QueuedMessage(postqueueLine: line.utf8))
        #expect(message.missingCopies.map(\.server) == ["a", "b"])
        #expect(message.missingCopies.allSatisfy { $0.isFromNobody && $0.isToExpire && !$0.isRefused })
        #expect(message.missingCopies.map(\.reason) == [nil, "connect to b: Connection refused"])
    }

    @Test(arguments: [
        "", "{", "[]", "{}", "null", "D73A614C0E3 472 Tue Nov 24", #"{"queue_id":"A"}"#,
        #"{"queue_id":1,"arrival_time":5,"sender":"","recipients":[]}"#,
        #"{"queue_id":"A","arrival_time":"5","sender":"","recipients":[]}"#,
        #"{"queue_id":"A","arrival_time":5,"sender":"","recipients":[{}]}"#,
        #"{"queue_id":"A","arrival_time":5,"sender":"","recipients":["a@b"]}"#,
        #"{"queue_id":"A","arrival_time":5,"sender":"","recipients":[]"#,
        #"{"queue_id":"A","arrival_time":5,"sender":"","recipients":[]} x"#,
    ])
    func `anything else is no queued message`(line: String) {
        #expect(QueuedMessage(postqueueLine: line.utf8) == nil)
    }

    @Test(arguments: [
        ("u1@example.com.b.covey.invalid", "b"), ("u1@Example.com.B.Covey.Invalid", "b"),
        ("\"x@y\"@example.com.mail-2.covey.invalid", "mail-2"), ("u1@example.com", nil), ("covey.invalid", nil),
        ("x@covey.invalid", nil), ("x@b.covey.invalid", nil), ("x@example.com..covey.invalid", nil),
        ("x@example.com.bcovey.invalid", nil), ("x@example.com.b.covey.invalid.example.net", nil),
    ])
    func `the server stands in the address`(address: String, server: String?) {
        #expect(MissingCopy.server(of: address) == server)
    }

    @Test(arguments: [
        ("host b[192.0.2.22] said: 550 5.1.1 no such user (in reply to RCPT TO command)", true),
        ("host b[192.0.2.22] said: 552-5.2.2 full (in reply to end of DATA command)", true),
        ("host b[192.0.2.22] said: 450 4.2.1 later (in reply to RCPT TO command)", false),
        // About the server, not about the copy.
        ("host b[192.0.2.22] refused to talk to me: 554 5.7.1 go away", false),
        ("host b[192.0.2.22] said: 500 what? (in reply to LHLO command)", false),
        ("connect to 192.0.2.22[192.0.2.22]:24: Connection refused", false),
        ("lost connection with b[192.0.2.22] while receiving the initial server greeting", false),
        ("host b[192.0.2.22] said: 5", false), ("", false),
        ("SMTPUTF8 is required, but was not offered by host b[192.0.2.22]", true),
    ])
    func `a 5xx about the copy is a refusal`(reason: String, isRefused: Bool) {
        let copy = MissingCopy(
            key: .init(queueID: "A", arrival: 0, recipient: "u@x.b.covey.invalid"), server: "b", reason: reason)
        #expect(copy.isRefused == isRefused)
    }
}

@Suite struct JSONValueTests {
    @Test(arguments: [
        ("0", JSONValue.number(0)), ("-12", .number(-12)), (" true ", .bool(true)), ("false", .bool(false)),
        ("null", .null), ("[]", .array([])), ("[1, 2]", .array([.number(1), .number(2)])), ("{}", .object([:])),
        (#"{"a": {"b": ["c"]}}"#, .object(["a": .object(["b": .array([.string("c")])])])),
        (#""a\"b\\c\/\b\f\n\r\t""#, .string("a\"b\\c/\u{8}\u{C}\n\r\t")),
        // RFC 8259 §7: the clef, as a surrogate pair.
        (#""\u00e9\uD834\uDD1E""#, .string("\u{e9}\u{1D11E}")), ("\"\u{e9}\"", .string("\u{e9}")),
    ])
    func `a text is a value`(text: String, value: JSONValue) {
        #expect(JSONValue(text.utf8) == value)
    }

    @Test(arguments: [
        "", " ", "1.5", "1e3", "-", "+1", "tru", "True", "'a'", "\"a", "\"a\nb\"", #""\x""#, #""\u12""#, #""\u+123""#,
        #""\uD834""#, #""\uDD1E""#, #""\uD834\u0041""#, "[1,]", "[1 2]", "[", "{\"a\"}", "{a:1}", "{\"a\":1,}",
        "{\"a\":1,\"a\":2}", "[[[[[[[[[1]]]]]]]]]", "1 2", "99999999999999999999",
    ])
    func `anything else is none`(text: String) {
        #expect(JSONValue(text.utf8) == nil)
    }

    @Test func `octets that are no UTF-8 do no harm`() {
        #expect(JSONValue([0x22, 0xFF, 0x22]) == .string("\u{FFFD}"))
    }
}
