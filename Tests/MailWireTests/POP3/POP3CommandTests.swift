import MailWire
import NIOCore
import Testing

@Suite struct POP3CommandTests {
    @Test(
        arguments: [
            ("CAPA", .capa), ("capa", .capa), ("StAt", .stat), ("STAT ", .stat), ("NOOP", .noop), ("RSET", .rset),
            ("QUIT", .quit), ("LIST", .list(nil)), ("LIST ", .list(nil)), ("LIST 7", .list(7)), ("list  7 ", .list(7)),
            ("UIDL", .uidl(nil)), ("UIDL 1", .uidl(1)), ("RETR 007", .retr(7)), ("RETR 0", .retr(0)),
            ("DELE 9223372036854775807", .dele(Int.max)), ("TOP 3 0", .top(3, lines: 0)),
            ("TOP 3 10 ", .top(3, lines: 10)), ("USER joe@example.com", .user("joe@example.com")),
            ("USER  joe ", .user("joe")), ("USER jö", .user("jö")), ("AUTH", .auth(mechanism: nil)),
            ("AUTH plain", .auth(mechanism: "PLAIN")), ("AUTH  plain ", .auth(mechanism: "PLAIN")),
            (
                "AUTH plain AGpvZQ==",
                .auth(mechanism: "PLAIN", initialResponse: POP3Password(octets: Array("AGpvZQ==".utf8)))
            ),
            ("UTF8", .utf8), ("LANG", .lang(nil)), ("LANG EN", .lang("en")), ("LANG *", .lang("*")),
        ] as [(String, POP3Command)])
    func `takes well-formed commands`(line: String, expected: POP3Command) throws {
        #expect(try POP3Command.parse(ByteBuffer(string: line)) == expected)
    }

    @Test(arguments: [
        ("PASS secret", "secret"), ("PASS two words ", "two words "), ("PASS  lead", " lead"),
    ])
    func `takes a password as it is, spaces included`(line: String, expected: String) throws {
        #expect(try POP3Command.parse(ByteBuffer(string: line)) == .pass(POP3Password(octets: Array(expected.utf8))))
    }

    @Test func `takes a password that is not UTF-8`() throws {
        let octets: [UInt8] = [0xe9, 0x74, 0xe9]
        #expect(
            try POP3Command.parse(ByteBuffer(bytes: Array("PASS ".utf8) + octets))
                == .pass(POP3Password(octets: octets)))
    }

    @Test(
        arguments: [
            ("", .empty), (" STAT", .unknownCommand), ("FROB", .unknownCommand), ("STATUS", .unknownCommand),
            ("GET / HTTP/1.0", .unknownCommand), (":", .unknownCommand), ("XCLIENT ADDR=1.2.3.4", .unknownCommand),
            ("APOP joe c4c9334bac560ecc979e58001b3e22fb", .unknownCommand),
            ("STAT 1", .unwantedArgument(of: "STAT")), ("QUIT now", .unwantedArgument(of: "QUIT")),
            ("UTF8 x", .unwantedArgument(of: "UTF8")), ("LANG en de", .unwantedArgument(of: "LANG with a language")),
            ("AUTH PLAIN a b", .unwantedArgument(of: "AUTH with an initial response")),
            ("RETR", .missingArgument(of: "RETR", wanted: "a message number")),
            ("DELE ", .missingArgument(of: "DELE", wanted: "a message number")),
            ("TOP", .missingArgument(of: "TOP", wanted: "a message number and a line count")),
            ("TOP 1", .missingArgument(of: "TOP", wanted: "a message number and a line count")),
            ("USER", .missingArgument(of: "USER", wanted: "a user name")),
            ("PASS", .missingArgument(of: "PASS", wanted: "a password")),
            ("PASS ", .missingArgument(of: "PASS", wanted: "a password")),
            ("RETR -1", .invalidMessageNumber), ("RETR +1", .invalidMessageNumber), ("RETR x", .invalidMessageNumber),
            ("LIST *", .invalidMessageNumber), ("RETR 1x", .noiseAfterMessageNumber),
            ("RETR 1 2", .noiseAfterMessageNumber), ("RETR 1.5", .noiseAfterMessageNumber),
            ("LIST 1,2", .noiseAfterMessageNumber), ("UIDL 0x10", .noiseAfterMessageNumber),
            ("DELE 9223372036854775808", .messageNumberTooLarge),
            ("RETR 99999999999999999999999999999999999999", .messageNumberTooLarge),
            ("TOP 1 -1", .invalidLineCount), ("TOP 1 ten", .invalidLineCount), ("TOP 1 1 1", .noiseAfterLineCount),
            ("TOP 1 99999999999999999999", .lineCountTooLarge), ("TOP x 1", .invalidMessageNumber),
            ("NOOP\0", .notText), ("US\u{7f}ER joe", .notText), ("USER jo\u{1b}[2Je", .notText),
        ] as [(String, POP3CommandError)])
    func `says what is wrong with the others`(line: String, expected: POP3CommandError) {
        #expect(throws: expected) { try POP3Command.parse(ByteBuffer(string: line)) }
    }

    @Test func `refuses binary rubbish`() {
        #expect(throws: POP3CommandError.notText) { try POP3Command.parse(ByteBuffer(bytes: Array(0...255))) }
        #expect(throws: POP3CommandError.notText) {
            try POP3Command.parse(ByteBuffer(bytes: Array("USER ".utf8) + [0xff, 0xfe]))
        }
        #expect(throws: POP3CommandError.unknownCommand) {
            try POP3Command.parse(ByteBuffer(bytes: [UInt8](128...255)))
        }
    }

    @Test func `never prints a password`() throws {
        let command = try POP3Command.parse(ByteBuffer(string: "PASS hunter2"))
        #expect(!"\(command)".contains("hunter2"))
        var dumped = ""
        dump(command, to: &dumped)
        #expect(!dumped.contains("104"), "h is 104")
    }
}
