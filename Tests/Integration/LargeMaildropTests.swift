import TestSupport
import Testing

extension RealServers {
    /// A user who never deletes anything.
    @Suite(.lab(mailboxes: 2, suffix: "-large")) struct LargeMaildrops {
        private static let count = 100_000
        private static let user = "u40@example.com"

        @Test func `100,000 messages: lists, retrieval and deletion are right, and the memory is given back`() throws {
            let lab = try Lab.current
            let (count, user) = (LargeMaildrops.count, LargeMaildrops.user)
            try lab.fillMaildrop(of: user, messages: count)
            // The first reading of a Maildir is long, and Dovecot's own business: both have indexes when it counts.
            for server in lab.mailboxes { _ = try lab.listing(of: user, at: server, port: 110) }
            let direct = try parallel(2) { try lab.listing(of: user, at: lab.mailboxes[$0], port: 110) }
            let slower = direct.map(\.time).max() ?? .zero
            #expect(direct.map(\.sizes.count) == [count, count])
            #expect(direct[0].ids == direct[1].ids && direct[0].sizes == direct[1].sizes)

            // A fresh one: pages that earlier sessions left behind shall not hide what this one takes.
            try lab.stop(.pop3d, on: "a")
            try lab.start(.pop3d, on: "a")
            let before = try lab.memory(ofProxy: "a").own
            let began = ContinuousClock.now
            let session = try lab.session(user, at: "a")
            let (firstLine, sizes) = try session.listing("LIST", since: began)
            let ids = try session.listing("UIDL", since: began).values
            #expect(ids.count == count && Set(ids).count == count)
            #expect(ids == direct[0].ids)
            #expect(sizes == direct[0].sizes)
            print(
                "100,000 messages: the first line of LIST after "
                    + "\(firstLine / slower) of the time of the slower Dovecot's UIDL and LIST")

            let number = count / 2
            try session.expectOK("RETR \(number)")
            let message = StoredMessage(try session.message().octets.filter { $0 != UInt8(ascii: "\r") })
            #expect(message.ids == [ids[number - 1]])
            #expect(message.subject == "message \(number - 1)")
            try session.expectOK("DELE \(number)")
            #expect(try session.command("QUIT") == "+OK Logging out, messages deleted.")
            let rest = Array(ids[..<(number - 1)] + ids[number...])
            let left = try parallel(2) { try lab.listing(of: user, at: lab.mailboxes[$0], port: 110).ids }
            #expect(left == [rest, rest])

            // malloc_trim(3) a second after the session.
            let peak = try lab.memory(ofProxy: "a").peak
            #expect(peak < 150 * 1_024, "\(peak) KiB")
            let after = try lab.wait(
                for: "memory given back", { try lab.memory(ofProxy: "a").own - before }, until: { $0 < 15 * 1_024 })
            print("100,000 messages: covey-pop3d at its peak \(peak) KiB, afterwards \(after) KiB more than before")
            #expect(try lab.listing(of: user, at: "b", port: 1100).ids == rest, "the other proxy")
        }
    }
}

extension Lab {
    /// The same messages on all servers, as scripts/bench pop has them. In memory, some 500 MB on each: on a disk the
    /// files would take minutes, and as long to go.
    fileprivate func fillMaildrop(of user: String, messages: Int) throws {
        let program = try Lab.program("bench-pop-maildrop.py")
        try parallel(mailboxes.count) { [self] index in
            let (server, name) = (mailboxes[index], String(user.prefix { $0 != "@" }))
            let folder = "/var/vmail/example.com/\(name)"
            try shell(
                server,
                """
                install -d -o vmail -g vmail -m 0700 /var/vmail/example.com \(folder)
                mount -t tmpfs -o size=1g,nr_inodes=0,mode=0700 maildrop \(folder)
                """)
            try exec(server, "python3", "-", name, "\(messages)", "600", input: program, seconds: 120)
            try exec(server, "chown", "-R", "vmail:vmail", folder)
        }
    }

    /// All unique-ids and sizes, and how long both lists took after the login.
    fileprivate func listing(
        of user: String, at server: String, port: UInt16
    ) throws -> (ids: [String], sizes: [String], time: Duration) {
        let session = try POP3Connection(address(of: server), port: port, seconds: 120)
        _ = try session.line()
        try session.expectOK("USER \(user)")
        try session.expectOK("PASS secret")
        let began = ContinuousClock.now
        let ids = try session.listing("UIDL", since: began).values
        let sizes = try session.listing("LIST", since: began).values
        let time = ContinuousClock.now - began
        try session.expectOK("QUIT")
        return (ids, sizes, time)
    }

    /// What a proxy's process has taken, KiB: at most, and now without the pages of its program.
    fileprivate func memory(ofProxy proxy: String) throws -> (peak: Int, own: Int) {
        let status = try shell(proxy, "cat /proc/$(cat /run/covey-pop3d.pid)/status").text
        func value(_ name: String) throws -> Int {
            let line = status.split(separator: "\n").first { $0.hasPrefix("\(name):") }
            let words = line?.split(whereSeparator: { " \t".contains($0) }) ?? []
            guard words.count > 1, let number = Int(words[1]) else { throw LabFailure("no \(name) in \(status)") }
            return number
        }
        return (try value("VmHWM"), try value("RssAnon"))
    }
}

extension POP3Connection {
    /// A listing of all messages: when its first line was there, and the words after the numbers, which have to be 1, 2, …
    fileprivate func listing(_ command: String, since began: ContinuousClock.Instant) throws -> (
        firstLine: Duration, values: [String]
    ) {
        try expectOK(command)
        let firstLine = ContinuousClock.now - began
        var values: [String] = []
        let octets = try message().octets
        for line in octets.split(separator: UInt8(ascii: "\n")) {
            let words = line.dropLast().split(separator: UInt8(ascii: " "))
            guard words.count == 2, String(decoding: words[0], as: UTF8.self) == "\(values.count + 1)" else {
                throw LabFailure("\(command): \(String(decoding: line, as: UTF8.self)) after \(values.count) lines")
            }
            values.append(String(decoding: words[1], as: UTF8.self))
        }
        return (firstLine, values)
    }
}
