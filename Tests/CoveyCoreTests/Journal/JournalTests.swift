import CoveyCore
import Testing

private let codec = JournalCodec(key: ClusterKey(octets: Array(0..<32)))
private let otherCodec = JournalCodec(key: ClusterKey(octets: Array(1..<33)))

private func id(_ number: Int) -> UniqueID {
    UniqueID(kind: .stamped, digest: (0..<16).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) })
}

@Suite struct JournalCodecTests {
    /// Computed with Python: base64.b32encode(hmac.new(bytes(range(32)), b"covey journal 1\n" + text, "sha256").digest()[:16])
    @Test func `a line equals the one another program computed`() {
        let entry = JournalEntry(user: "ü 1@example.com", ids: [id(0), id(1)], time: 1_764_000_000)
        #expect(
            codec.lines(for: entry) == [
                "deleted 1764000000 %C3%BC%201@example.com cv1aaaaaaaaaaaaaaaaaaaaaaaaaa,cv1aeaaaaaaaaaaaaaaaaaaaaaaaa "
                    + "lrg2hnu32owasbv427dgkszb4i"
            ])
    }

    @Test(arguments: ["u1@example.com", "a b@x", "q%20@x", "ü@x", "\"odd,one\"@x", "line\nbreak@x"])
    func `what is written is read back`(user: String) {
        let entry = JournalEntry(user: user, ids: (0..<47).map(id), time: 1)
        let lines = codec.lines(for: entry)
        #expect(lines.count == 3, "20 ids in a line")
        var ids: [UniqueID] = []
        for line in lines {
            guard case .entry(let part) = codec.read(line) else {
                Issue.record("not read: \(line)")
                continue
            }
            #expect(part.user == user)
            #expect(part.time == 1)
            ids += part.ids
            #expect(line.utf8.count < 998)
        }
        #expect(ids == entry.ids)
    }

    @Test func `a line that was changed anywhere, or signed with another key, has no effect`() throws {
        let line = try #require(codec.lines(for: JournalEntry(user: "u1@x", ids: [id(7)], time: 99)).first)
        #expect(otherCodec.read(line) == .invalid)
        for place in line.indices {
            for replacement: Character in ["a", "0", " ", ","] where line[place] != replacement {
                var changed = line
                changed.replaceSubrange(place...place, with: String(replacement))
                #expect(codec.read(changed) == .invalid, "\(changed)")
            }
        }
        #expect(codec.read(line + " ") == .invalid)
        #expect(codec.read(String(line.dropLast())) == .invalid)
    }

    @Test(arguments: ["", "# deleted 1 u1@x", "#"])
    func `explanations are passed over`(line: String) {
        #expect(codec.read(line) == .comment)
    }

    @Test(arguments: ["deleted", "deleted 1 u1@x", "hello", "deleted -1 u1@x cv1aaaaaaaaaaaaaaaaaaaaaaaaaa x"])
    func `anything else is reported`(line: String) {
        #expect(codec.read(line) == .invalid)
    }

    /// Signed with the key as above, by the same program: a line must be right besides.
    @Test(arguments: [
        "deleted 1 u1@x cv1aaaaaaaaaaaaaaaaaaaaaaaaaa  qbrwh4smqht7lk3pk5v5zzfyjy",
        "deleted 1 u1@x j7kogdbwhvlhqxtue4wj57p3fa",
        "deleted 1 u1@x cv1aaaaaaaaaaaaaaaaaaaaaaaaaa cv1aaaaaaaaaaaaaaaaaaaaaaaaaa iumuzazhbaipw22mk5wjpdduue",
        "deleted 1 u1@x cv1aaaaaaaaaaaaaaaaaaaaaaaaaa, uzbvtp5sca3puaoz7yi3amtgh4",
        "deleted 1 u1@x cv1aaaaaaaaaaaaaaaaaaaaaaaaaa;cv1aaaaaaaaaaaaaaaaaaaaaaaaaa mibdyivfa3hdzy7dmipaure45e",
        "deleted 1 u1@x cv1aaaaaaaaaaaaaaaaaaaaaaaaa z3gwxgvslxkz5skbd6axp3yt4e",
        "deleted 1  cv1aaaaaaaaaaaaaaaaaaaaaaaaaa gdh7kvi53vtohu3ko7juyyrd3y",
        "deleted 4294967296 u1@x cv1aaaaaaaaaaaaaaaaaaaaaaaaaa flp3gduwl3xf3gf5s5oqlrkb7a",
        "deleted -1 u1@x cv1aaaaaaaaaaaaaaaaaaaaaaaaaa nnntfpa3pz2hp54oqy2gq6t5ry",
        "deleted 1 u1%2 cv1aaaaaaaaaaaaaaaaaaaaaaaaaa qixdnhlaxuavxakp4hxwcv3idu",
        "heartbeat 1 a b lsl4djozrcr435w3ele5uknfmy",
        "heartbeat 1 y2sqyb6wdkomlpmkbv36e3eglq",
        "shout 1 a 7vbpv4jzrmshq2y7knhz4hnuvy",
    ])
    func `a signed line of another form is reported`(line: String) {
        #expect(codec.read(line) == .invalid)
    }
}

@Suite struct JournalMessageTests {
    private let heading = JournalMessage.Heading(
        mailbox: "covey-journal@example.com", host: "a", date: "Mon, 23 Nov 2026 10:00:00 +0000", messageID: "1@a")

    @Test(arguments: ["\r\n", "\n"])
    func `a message is a mail that says in plain words what it is, and is read back`(lineEnd: String) {
        let entries = [
            JournalEntry(user: "u1@x", ids: [id(1), id(2)], time: 5), JournalEntry(user: "u2@x", ids: [id(3)], time: 6),
        ]
        let text = JournalMessage.text(entries, heading, codec: codec)
        #expect(text.contains("\r\nSubject: Covey journal: 3 deleted messages of 2 users\r\n"))
        #expect(text.split(separator: "\r\n", omittingEmptySubsequences: false).allSatisfy { !$0.hasPrefix(".") })
        let received = "Return-Path: <>\(lineEnd)" + text.replacing("\r\n", with: lineEnd)
        let contents = Array(received.utf8).withUnsafeBytes { JournalMessage.read($0, codec: codec) }
        #expect(contents.entries == entries)
        #expect(contents.invalidLines == 0)
    }

    @Test func `lines of a stranger are counted and have no effect`() {
        let text =
            JournalMessage.text([JournalEntry(user: "u1@x", ids: [id(1)], time: 5)], heading, codec: otherCodec)
            + "buy now\r\n"
        let contents = Array(text.utf8).withUnsafeBytes { JournalMessage.read($0, codec: codec) }
        #expect(contents.entries.isEmpty)
        #expect(contents.invalidLines == 2)
    }
}

@Suite struct JournalUnionTests {
    private let entries = [
        JournalEntry(user: "u1@x", ids: [id(1), id(2)], time: 100),
        JournalEntry(user: "u1@x", ids: [id(2), id(3)], time: 200),
        JournalEntry(user: "u2@x", ids: [id(1)], time: 300),
    ]

    @Test func `order and repetition make no difference`() {
        var one = JournalUnion()
        var other = JournalUnion()
        for entry in entries { one.add(entry, heldBy: 0) }
        for entry in entries.reversed() + entries { other.add(entry, heldBy: 0) }
        for user in ["u1@x", "u2@x", "u3@x"] { #expect(one.deleted(by: user) == other.deleted(by: user)) }
        #expect(one.deleted(by: "u1@x") == [id(1), id(2), id(3)])
        #expect(one.deleted(by: "u2@x") == [id(1)])
        #expect(one.deleted(by: "u3@x").isEmpty)
        #expect(one.count == 4)
        #expect(other.count == 4)
    }

    @Test func `each journal is owed what it lacks, until it holds it`() {
        var union = JournalUnion()
        union.add(entries[0], heldBy: nil)
        union.add(entries[2], heldBy: 1)
        #expect(Set(union.missing(on: 0, since: 0).map { Set($0.ids) }) == [[id(1), id(2)], [id(1)]])
        #expect(Set(union.missing(on: 0, since: 0).map(\.user)) == ["u1@x", "u2@x"])
        #expect(union.missing(on: 1, since: 0).map { Set($0.ids) } == [[id(1), id(2)]])
        #expect(union.missing(on: 1, since: 101).isEmpty, "too old to be worth it")
        union.add(entries[0], heldBy: 1)
        #expect(union.missing(on: 1, since: 0).isEmpty)
        #expect(union.held(by: 1, since: 0).count == 2)
        union.forgetHolder(1)
        #expect(union.missing(on: 1, since: 0).count == 2)
        #expect(union.held(by: 1, since: 0).isEmpty)
    }

    @Test func `entries go by age alone, and a later deletion of the same id keeps it`() {
        var union = JournalUnion()
        for entry in entries { union.add(entry, heldBy: 0) }
        union.expire(before: 150)
        #expect(union.deleted(by: "u1@x") == [id(2), id(3)])
        union.expire(before: 301)
        #expect(union.count == 0)
        #expect(union.deleted(by: "u2@x").isEmpty)
    }
}

extension JournalUnionTests {
    @Test func `many entries of many users are found again, and expire in place`() {
        var union = JournalUnion()
        for number in 0..<30_000 {
            union.add(
                JournalEntry(user: "u\(number % 100)@x", ids: [id(number)], time: 1_000 + number), heldBy: number % 3)
        }
        #expect(union.count == 30_000)
        #expect(union.deleted(by: "u7@x") == Set(stride(from: 7, to: 30_000, by: 100).map(id)))
        union.expire(before: 1_000 + 29_000)
        #expect(union.count == 1_000)
        #expect(union.deleted(by: "u7@x") == Set(stride(from: 29_007, to: 30_000, by: 100).map(id)))
        let held = (0..<3).map { server in union.held(by: server, since: 0).reduce(0) { $0 + $1.ids.count } }
        #expect(held.reduce(0, +) == 1_000)
        #expect(union.missing(on: 0, since: 0).count == 1_000 - held[0])
        for number in 29_000..<30_000 {
            union.add(JournalEntry(user: "u\(number % 100)@x", ids: [id(number)], time: 1_000 + number), heldBy: 0)
        }
        #expect(union.count == 1_000)
        #expect(union.missing(on: 0, since: 0).isEmpty)
        union.expire(before: .max)
        #expect(union.count == 0)
        #expect(union.deleted(by: "u7@x").isEmpty)
    }

    @Test func `an item says who holds it`() {
        var union = JournalUnion()
        union.add(JournalEntry(user: "u1@x", ids: [id(1)], time: 5), heldBy: 2)
        union.add(JournalEntry(user: "u1@x", ids: [id(1)], time: 4), heldBy: 0)
        union.add(JournalEntry(user: "u2@x", ids: [id(2)], time: 6), heldBy: nil)
        #expect(
            union.items { user, _ in user == "u1@x" } == [.init(user: "u1@x", id: id(1), time: 5, holders: [0, 2])])
        #expect(union.items().count == 2)
    }
}
