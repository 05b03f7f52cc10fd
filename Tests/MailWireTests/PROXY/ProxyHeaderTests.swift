import MailWire
import NIOCore
import TestSupport
import Testing

@Suite struct ProxyHeaderTests {
    /// What comes of octets that arrive in pieces: the header and what is left, or the error.
    private static func take(_ pieces: [ByteBuffer]) -> Result<(ProxyHeader?, rest: String), ProxyHeaderError> {
        var buffer = ByteBuffer()
        var header: ProxyHeader?
        for var piece in pieces {
            buffer.writeBuffer(&piece)
            guard header == nil else { continue }
            do throws(ProxyHeaderError) {
                header = try ProxyHeader.take(from: &buffer)
            } catch {
                return .failure(error)
            }
        }
        return .success((header, String(buffer: buffer)))
    }

    private static func client(_ address: String, _ port: Int) throws -> ProxyHeader {
        .client(try SocketAddress(ipAddress: address, port: port))
    }

    // MARK: version 1, with the examples of the specification's §2.1

    @Test(arguments: [
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1", 56324),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255", 65535),
        ("PROXY TCP6 2001:db8::7 2001:db8::1 0 110\r\n", "2001:db8::7", 0),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535
        ),
    ])
    func `a line tells the client's address, and what follows is the client's`(
        line: String, address: String, port: Int
    ) throws {
        for pieces in everySplit(Array((line + "USER x\r\n").utf8)) {
            let (header, rest) = try Self.take(pieces).get()
            #expect(header == (try Self.client(address, port)))
            #expect(rest == "USER x\r\n")
        }
    }

    @Test(arguments: [
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
        "PROXY UNKNOWN anything at all\r\n",
    ])
    func `a line may tell no address`(line: String) throws {
        for pieces in everySplit(Array(line.utf8)) {
            let (header, rest) = try Self.take(pieces).get()
            #expect(header == .noClient && rest.isEmpty)
        }
    }

    @Test(arguments: [
        ("USER joe\r\n", ProxyHeaderError.noHeader),
        ("PROXy TCP4 1.2.3.4 5.6.7.8 1 2\r\n", .noHeader),
        ("\r\nPROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", .noHeader),
        ("PROXY\r\n", .noHeader),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", .badLine),
        ("PROXY \r\n", .badLine),
        ("PROXY TCP4\r\n", .badLine),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", .badLine),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", .badLine),
        ("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", .badLine),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", .badLine),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", .badLine),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", .badLine),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 -2\r\n", .badLine),
        ("PROXY TCP4 1.2.3.4 5.6.7.8  2\r\n", .badLine),
        ("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", .badLine),
        ("PROXY TCP4 localhost 5.6.7.8 1 2\r\n", .badLine),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", .badLine),
        ("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", .badLine),
        ("PROXY TCP4 1.2.3.4 ::1 1 2\r\n", .badLine),
        ("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", .badLine),
        ("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n", .badLine),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\0\r\n", .badLine),
    ])
    func `a line with anything else in it is an error`(line: String, expected: ProxyHeaderError) {
        for pieces in everySplit(Array(line.utf8)) {
            #expect(throws: expected) { try Self.take(pieces).get() }
        }
    }

    /// §2.1: 107 octets, CRLF included.
    @Test func `a line is no longer than the longest that can be`() throws {
        let text = Array(("PROXY UNKNOWN " + String(repeating: "x", count: 107 - 14 - 2)).utf8)
        #expect(try Self.take([ByteBuffer(bytes: text + [13, 10])]).get().0 == .noClient)
        #expect(try Self.take([ByteBuffer(bytes: text + [13])]).get().0 == nil)
        // It is known to be too long before more of it has come.
        for tooLong in [text + [120, 13, 10], text + [120, 120]] {
            for pieces in everySplit(tooLong) {
                #expect(throws: ProxyHeaderError.lineTooLong) { try Self.take(pieces).get() }
            }
        }
    }

    // MARK: version 2

    private static let signature: [UInt8] = Array("\r\n\r\n\0\r\nQUIT\n".utf8)

    /// - Parameters:
    ///   - length: what is announced; nil for the truth.
    private static func binary(
        _ versionAndCommand: UInt8, _ family: UInt8, _ rest: [UInt8], length: Int? = nil
    ) -> [UInt8] {
        let length = length ?? rest.count
        return signature + [versionAndCommand, family, UInt8(length >> 8), UInt8(length & 0xff)] + rest
    }

    private static let v4: [UInt8] = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0, 110]
    private static let v6: [UInt8] =
        [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [7]
        + [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1] + [0xdc, 0x04, 0, 110]
    /// PP2_TYPE_CRC32C and PP2_TYPE_NOOP.
    private static let tlvs: [UInt8] = [0x03, 0, 4, 1, 2, 3, 4, 0x04, 0, 2, 9, 9]

    @Test func `a binary header tells the client's address, and its TLVs are skipped`() throws {
        for more in [[], Self.tlvs, [UInt8](repeating: 0x04, count: 4_096 - 36)] {
            for (family, addresses, text) in [(0x11, Self.v4, "192.0.2.7"), (0x21, Self.v6, "2001:db8::7")] {
                let octets = Self.binary(0x21, UInt8(family), addresses + more) + Array("CAPA\r\n".utf8)
                let ways = more.count < 100 ? everySplit(octets) : [[ByteBuffer(bytes: octets)]]
                for pieces in ways {
                    let (header, rest) = try Self.take(pieces).get()
                    #expect(header == (try Self.client(text, 0xdc04)))
                    #expect(rest == "CAPA\r\n")
                }
            }
        }
    }

    @Test func `a balancer's own connection, and addresses that are none of ours, tell no client`() throws {
        let headers = [
            Self.binary(0x20, 0x00, []), Self.binary(0x20, 0x11, Self.v4), Self.binary(0x20, 0xff, [1, 2, 3]),
            Self.binary(0x21, 0x00, []), Self.binary(0x21, 0x00, Self.tlvs),
            Self.binary(0x21, 0x31, [UInt8](repeating: 0x2f, count: 216)),
        ]
        for header in headers {
            for pieces in everySplit(header + Array("QUIT\r\n".utf8)) {
                let (header, rest) = try Self.take(pieces).get()
                #expect(header == .noClient && rest == "QUIT\r\n")
            }
        }
    }

    @Test func `a binary header that breaks a rule is an error, as soon as that can be seen`() {
        let broken: [([UInt8], ProxyHeaderError)] = [
            (Array("\r\n\r\n\0\r\nQUIT\r".utf8), .noHeader), (Array("\r\nUSER".utf8), .noHeader),
            (Self.binary(0x11, 0x11, Self.v4), .badVersion), (Self.binary(0x31, 0x11, Self.v4), .badVersion),
            (Self.binary(0x22, 0x11, Self.v4), .badCommand), (Self.binary(0x2f, 0x00, []), .badCommand),
            (Self.binary(0x21, 0x12, Self.v4), .badFamily), (Self.binary(0x21, 0x10, Self.v4), .badFamily),
            (Self.binary(0x21, 0x41, Self.v4), .badFamily), (Self.binary(0x21, 0x01, []), .badFamily),
            (Self.binary(0x21, 0x11, Self.v4, length: 11), .tooShort),
            (Self.binary(0x21, 0x21, Self.v6, length: 35), .tooShort),
            (Self.binary(0x21, 0x31, [], length: 215), .tooShort), (Self.binary(0x21, 0x11, []), .tooShort),
            (Self.binary(0x21, 0x11, [], length: 4_097), .tooLong),
            (Self.binary(0x20, 0x00, [], length: 0xffff), .tooLong),
        ]
        for (octets, expected) in broken {
            for pieces in everySplit(octets) {
                #expect(throws: expected, "\(octets)") { try Self.take(pieces).get() }
            }
        }
    }

    @Test func `without all of it there is no header yet`() throws {
        for whole in [Array("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n".utf8), Self.binary(0x21, 0x21, Self.v6 + Self.tlvs)] {
            for length in whole.indices {
                #expect(try Self.take([ByteBuffer(bytes: whole[..<length])]).get().0 == nil)
            }
        }
    }
}
