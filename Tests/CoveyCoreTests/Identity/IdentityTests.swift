import CoveyCore
import Foundation
import Testing

/// One case of vectors.json, which vectors.py computed.
struct IdentityVector: Decodable, CustomTestStringConvertible, Sendable {
    var name: String
    var fields: [[String]]
    var body: String
    var id: String

    var testDescription: String { name }

    static let key = ClusterKey(octets: Array(0..<32))

    static let all: [IdentityVector] = {
        struct File: Decodable { var vectors: [IdentityVector] }
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "vectors.json")
        guard let data = try? Data(contentsOf: path), let file = try? JSONDecoder().decode(File.self, from: data) else {
            return []
        }
        return file.vectors
    }()

    var headerFields: [HeaderField] {
        fields.map { HeaderField(name: octets(hex: $0[0]), value: octets(hex: $0[1])) }
    }
}

private func octets(hex: String) -> [UInt8] {
    stride(from: 0, to: hex.count, by: 2).compactMap { offset in
        let start = hex.index(hex.startIndex, offsetBy: offset)
        return UInt8(hex[start..<hex.index(start, offsetBy: 2)], radix: 16)
    }
}

private func id(_ fields: [HeaderField], body: [[UInt8]]) -> UniqueID {
    var hasher = ContentHasher(key: IdentityVector.key)
    for field in fields { hasher.add(field) }
    hasher.endHeader()
    for piece in body { piece.withUnsafeBytes { hasher.addBody($0) } }
    return hasher.finish()
}

@Suite struct IdentityTests {
    @Test func `there are vectors to compare with`() {
        #expect(IdentityVector.all.count == 14)
    }

    @Test(arguments: IdentityVector.all)
    func `an id equals the one another program computed`(vector: IdentityVector) {
        let body = octets(hex: vector.body)
        #expect(id(vector.headerFields, body: [body]).description == vector.id)
        #expect(id(vector.headerFields, body: body.map { [$0] }).description == vector.id, "fed octet by octet")
    }

    @Test func `filters and folding make no other message, a hop, an order, an octet do`() throws {
        let ids = Dictionary(uniqueKeysWithValues: IdentityVector.all.map { ($0.name, $0.id) })
        let plain = try #require(ids["plain"])
        for same in [
            "spam score and DKIM added by a filter change nothing", "other folding is the same message",
            "space before the colon",
        ] { #expect(ids[same] == plain) }
        for other in [
            "another hop is another message", "order counts", "list copy", "content fields", "one octet more",
        ] {
            #expect(try #require(ids[other]) != plain)
        }
    }

    @Test func `another key makes another id`() {
        var hasher = ContentHasher(key: ClusterKey(octets: Array(1..<33)))
        hasher.endHeader()
        #expect(hasher.finish() != id([], body: []))
    }

    @Test(arguments: [
        ("Received", true), ("message-id", true), ("DATE", true), ("Subject", false), ("X-UIDL", false),
    ])
    func `only Received, Message-ID and Date tell two sendings of one text apart`(name: String, expected: Bool) {
        var hasher = ContentHasher(key: IdentityVector.key)
        hasher.add(HeaderField(name, " x"))
        #expect(hasher.hasDistinguishingField == expected)
    }
}

@Suite struct UniqueIDTests {
    /// RFC 4648 base32 of the octets, computed with Python's base64.b32encode.
    @Test(arguments: [
        ([UInt8](repeating: 0, count: 16), "cv1aaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ([UInt8](repeating: 255, count: 16), "cv177777777777777777777777774"),
        (Array(0..<16), "cv1aaaqeayeaudaocajbifqydiob4"),
        (Array(240...255), "cv16dy7f47u6x3pp6hz7l57z7p674"),
    ])
    func `an id is read back from its text`(digest: [UInt8], text: String) {
        let id = UniqueID(kind: .stamped, digest: digest)
        #expect(id.description == text)
        #expect(UniqueID(stamp: text) == id)
        #expect(UniqueID(text) == id)
    }

    @Test(arguments: [
        "", "cv1", "cv1aaaaaaaaaaaaaaaaaaaaaaaaa", "cv1aaaaaaaaaaaaaaaaaaaaaaaaaaa", "cv1AAAAAAAAAAAAAAAAAAAAAAAAAA",
        "cv2aaaaaaaaaaaaaaaaaaaaaaaaaa", "cv0aaaaaaaaaaaaaaaaaaaaaaaaaa", "cv1aaaaaaaaaaaaaaaaaaaaaaaaa1",
        " cv1aaaaaaaaaaaaaaaaaaaaaaaaaa", "cv1aaaaaaaaaaaaaaaaaaaaaaaaaa\n", "cv1aaaaaaaaaaaaaaaaaaaaaaaaaé",
        // 26th character with padding bits that are not zero: a second text of one value
        "cv1aaaaaaaaaaaaaaaaaaaaaaaaab",
    ])
    func `nothing else is a stamp`(text: String) {
        #expect(UniqueID(stamp: text) == nil)
    }

    @Test func `an id made up for an unstamped message never passes for a stamp`() {
        let id = UniqueID(kind: .unstamped, digest: Array(0..<16))
        #expect(id.description == "cv0aaaqeayeaudaocajbifqydiob4")
        #expect(UniqueID(stamp: id.description) == nil)
        #expect(UniqueID(id.description) == id)
    }
}
