import NIOCore
import TestSupport
import Testing

@testable import MailNet

@Suite struct MessageRelayTests {
    private static let body = "line one\r\n..dot\r\n\r\nlast\r\n"
    private static let first = Array("Received: by a\r\nSubject: x\r\n\r\n\(body)".utf8)
    private static let second = Array("Subject: x\r\n\r\n\(body)".utf8)

    private func text(_ buffers: [ByteBuffer]) -> String { buffers.map { String(buffer: $0) }.joined() }

    /// Gives the relay the pieces; nil if it says that they do not go on where it was.
    private func give(_ pieces: [ByteBuffer], to relay: inout MessageRelay) -> String? {
        var sent = ""
        for piece in pieces {
            switch relay.receive(piece) {
            case .nothing: break
            case .send(let buffers): sent += text(buffers)
            case .mismatch: return nil
            }
        }
        return sent
    }

    private func goOn(_ relay: inout MessageRelay) -> Bool { relay.nextSource() }

    @Test func `passes a message on as it is, however it arrives`() {
        for pieces in everySplit(Self.first) {
            var relay = MessageRelay()
            #expect(give(pieces, to: &relay).map { Array($0.utf8) } == Self.first)
            #expect(relay.sourceEnded(octets: 100, announced: 100) == [])
        }
    }

    @Test func `sends nothing before the header is complete`() {
        var relay = MessageRelay()
        #expect(give([ByteBuffer(string: "Subject: x\r\n")], to: &relay) == "")
        #expect(!relay.hasBegun)
        #expect(goOn(&relay))
        #expect(give([ByteBuffer(bytes: Self.second)], to: &relay).map { Array($0.utf8) } == Self.second)
    }

    @Test func `another server goes on after any octet, however its message arrives`() {
        for end in Self.first.indices {
            for pieces in everySplit(Self.second) {
                var relay = MessageRelay()
                let begun = give([ByteBuffer(bytes: Self.first[..<end])], to: &relay) ?? "?"
                #expect(goOn(&relay))
                let rest = give(pieces, to: &relay) ?? "?"
                #expect(relay.sourceEnded(octets: 50, announced: 50) == [])
                let expected = begun.isEmpty ? Self.second : Self.first
                #expect(Array((begun + rest).utf8) == expected, "broken off after \(end)")
            }
        }
    }

    @Test func `a third server goes on after the second failed while it was compared`() {
        var relay = MessageRelay()
        let begun = give([ByteBuffer(bytes: Self.first.dropLast(4))], to: &relay) ?? "?"
        #expect(goOn(&relay))
        #expect(give([ByteBuffer(bytes: Self.second.prefix(20))], to: &relay) == "")
        #expect(goOn(&relay))
        let rest = give([ByteBuffer(bytes: Self.second)], to: &relay) ?? "?"
        #expect(Array((begun + rest).utf8) == Self.first)
    }

    @Test func `another body is not taken for the rest`() {
        let other = Array("Subject: x\r\n\r\nline 1\r\nand much more that is longer than the first\r\n".utf8)
        for pieces in everySplit(other) {
            var relay = MessageRelay()
            _ = give([ByteBuffer(bytes: Self.first.dropLast(4))], to: &relay)
            #expect(goOn(&relay))
            #expect(give(pieces, to: &relay) == nil)
        }
    }

    @Test func `a body shorter than what was sent is no rest`() {
        var relay = MessageRelay()
        _ = give([ByteBuffer(bytes: Self.first.dropLast(2))], to: &relay)
        #expect(goOn(&relay))
        #expect(give([ByteBuffer(bytes: Self.second.dropLast(8))], to: &relay) == "")
        #expect(relay.sourceEnded(octets: 30, announced: 30) == nil)
    }

    @Test(arguments: [(99, 100, false), (100, 100, true), (101, 100, true), (5, nil, true)] as [(Int, Int?, Bool)])
    func `a message shorter than announced is not whole`(octets: Int, announced: Int?, isWhole: Bool) {
        var relay = MessageRelay()
        _ = give([ByteBuffer(bytes: Self.first)], to: &relay)
        #expect((relay.sourceEnded(octets: octets, announced: announced) != nil) == isWhole)
    }

    @Test func `a message that is all header comes at its end`() {
        var relay = MessageRelay()
        #expect(give([ByteBuffer(string: "Subject: x\r\n")], to: &relay) == "")
        #expect(relay.sourceEnded(octets: 12, announced: 12).map(text) == "Subject: x\r\n")
        #expect(MessageRelay().sourceEnded(octets: 0, announced: 0) == [])
    }

    @Test func `a header too long to hold is passed on, and then cannot be taken over`() {
        var relay = MessageRelay()
        var sent = 0
        for _ in 0..<300 {
            guard let text = give([ByteBuffer(repeating: UInt8(ascii: "x"), count: 1_024)], to: &relay) else { break }
            sent += text.utf8.count
        }
        #expect(sent == 300 * 1_024)
        #expect(!goOn(&relay))
        #expect(give([ByteBuffer(string: "\r\n\r\nbody")], to: &relay) == "\r\n\r\nbody")
        #expect(goOn(&relay))
    }

    @Test func `the cache of unique-ids forgets the oldest, not what is in use`() {
        let cache = UniqueIDCache(capacity: 10)
        func key(_ number: Int) -> UniqueIDCache.Key {
            .init(server: "a", user: "u", uniqueID: "\(number)", octets: 1)
        }
        for number in 0..<100 {
            cache.insert("cv0\(number)", for: key(number))
            #expect(cache.id(for: key(0)) == "cv00")
        }
        #expect(cache.id(for: key(99)) == "cv099")
        #expect((0..<100).count { cache.id(for: key($0)) != nil } <= 20)
        #expect(cache.id(for: .init(server: "a", user: "v", uniqueID: "99", octets: 1)) == nil)
        #expect(cache.id(for: .init(server: "a", user: "u", uniqueID: "99", octets: 2)) == nil)
    }
}
