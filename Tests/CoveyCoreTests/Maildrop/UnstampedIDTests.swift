import CoveyCore
import Testing

@Suite struct UnstampedIDTests {
    private let key = ClusterKey(octets: Array(0..<32))

    private func id(_ header: String, body: Int = 42, server: String = "a", uniqueID: String = "0001") -> String {
        UnstampedID.make(
            key: key, header: HeaderFields(Array(header.utf8)), bodyOctets: body, server: server, uniqueID: uniqueID)
    }

    private let usual = """
        Return-Path: <a@x>\r\nReceived: from x\r\n\tby y\r\nMessage-ID: <1@x>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r
        From: a@x\r\nTo: b@x,\r\n  c@x\r\nSubject: Hello\r\n there\r\n\r\nMessage-ID: in the body\r\n
        """

    // Expected values computed with Python's hmac and base64 over the text described at UnstampedID.make.
    @Test func `agrees with the same rule in another language`() {
        #expect(id(usual) == "cv03ntb5gichoy47l46tis7urjw7e")
        #expect(id("From: a@x\r\nSubject: s\r\n\r\n", body: 5) == "cv0xkzhfogba4545z7vp6hvggvvdy")
    }

    @Test func `is the same on every server when there is a Message-ID`() {
        #expect(id(usual, server: "b", uniqueID: "9") == id(usual))
        #expect(id(usual.replacing("Return-Path: <a@x>\r\n", with: "")) == id(usual), "trace fields do not count")
        #expect(id(usual.replacing("\r\n there", with: " there")) == id(usual), "folding does not count")
        #expect(id(usual.replacing("\r\n", with: "\n")) == id(usual))
    }

    @Test func `differs when anything that counts differs`() {
        #expect(id(usual, body: 43) != id(usual))
        for (old, new) in [("<1@x>", "<2@x>"), ("Hello", "hello"), ("c@x", "d@x"), ("2024", "2025")] {
            #expect(id(usual.replacing(old, with: new)) != id(usual), "\(old)")
        }
    }

    @Test func `merges with nothing when there is no Message-ID`() {
        let header = "From: a@x\r\n\r\n"
        #expect(id(header, server: "b") != id(header))
        #expect(id(header, uniqueID: "0002") != id(header))
        #expect(id("Message-ID:\r\n" + header, server: "b") != id("Message-ID:\r\n" + header))
    }

    @Test(arguments: [
        "X-UIDL: cv1abcdefghijklmnopqrstuvwxyy", "x-uidl:cv1abcdefghijklmnopqrstuvwxyy",
        "X-UIDL: rubbish\r\nX-Uidl:\r\n cv1abcdefghijklmnopqrstuvwxyy",
    ])
    func `takes a stamp from the header`(field: String) {
        #expect(id("From: a@x\r\n\(field)\r\n\r\n") == "cv1abcdefghijklmnopqrstuvwxyy")
    }

    @Test(arguments: [
        ("cv1abcdefghijklmnopqrstuvwxyy", true), ("cv1234567abcdefghijklmnopqrsu", true),
        ("cv1abcdefghijklmnopqrstuvwxyz", false),
        ("cv1abcdefghijklmnopqrstuvwxy", false), ("cv1abcdefghijklmnopqrstuvwxyya", false),
        ("cv1Abcdefghijklmnopqrstuvwxyz", false), ("cv1abcdefghijklmnopqrstuvwxy1", false),
        ("cv0abcdefghijklmnopqrstuvwxyz", false), ("cv1abcdefghijklmnopqrstuvwx\u{e9}", false), ("", false),
    ])
    func `knows a stamp by its form`(text: String, isStamp: Bool) {
        #expect(UnstampedID.isStamp(text) == isStamp)
    }

    @Test func `reads header fields as mail has them`() {
        let header = HeaderFields(
            Array("A: 1\nnot a field\n folded onto nothing\nB :\t 2\r\n\t 3 \r\nC:\r\n: 4\r\n\r\nD: 5".utf8))
        #expect(header.fields.map(\.name) == ["a", "b", "c"])
        #expect(header.fields.map(\.value) == ["1", "2 3", ""])
    }

    @Test func `two digests agree when the octets do, however they were cut`() {
        var whole = BodyDigest()
        var pieces = BodyDigest()
        [UInt8](0...255).withUnsafeBytes { octets in
            whole.update(octets)
            pieces.update(UnsafeRawBufferPointer(rebasing: octets[..<100]))
            #expect(!whole.agrees(with: pieces))
            pieces.update(UnsafeRawBufferPointer(rebasing: octets[100...]))
        }
        #expect(whole.agrees(with: pieces))
        #expect(pieces.octets == 256)
    }
}
