import MailWire
import TestSupport
import Testing

@Suite struct POP3UnstuffingTests {
    @Test(arguments: [
        ("", ""), (".", ""), ("..", "."), ("a.b\r\n..c\r\n...\r\n", "a.b\r\n.c\r\n..\r\n"), ("a\n.b\r\n", "a\n.b\r\n"),
        ("a\r.b", "a\r.b"),
    ])
    func `takes one dot from the start of each line, however the octets come`(stuffed: String, expected: String) {
        let octets = Array(stuffed.utf8)
        for split in 0...octets.count {
            var unstuffing = POP3Unstuffing()
            var message: [UInt8] = []
            unstuffing.append(octets[..<split], to: &message)
            unstuffing.append(octets[split...], to: &message)
            #expect(String(decoding: message, as: UTF8.self) == expected)
        }
    }
}
