import Foundation
import TestSupport
import Testing

/// `covey resync` as an operator has it: for one user, broken off, and on a terminal.
extension RealServers.Repair {
    @Test func `resync for one user, killed midway and run again: both servers equal, nothing twice`() throws {
        let lab = try Lab.current
        let (user, other) = ("u5@example.com", "u6@example.com")
        let count = 400
        try lab.addMasterUser()
        try lab.deliver((1...count).map { note("Kept \($0)") }, to: user)
        try lab.deliver([note("Another's")], to: other)
        try lab.copies(for: user, count: count)
        try lab.copies(for: other)
        let all = try lab.maildrop(of: user, at: "a")
        for user in [user, other] { try lab.forget(user, on: "b") }

        // On b itself, where one shell sees what it copies and kills it.
        try lab.shell(
            "b",
            """
            covey resync --to b --user \(user) --master resync --password-file /etc/covey/master.password \
                </dev/null >/srv/resync 2>&1 &
            until (( $(find /var/vmail/example.com/u5 -path '*/new/*' 2>/dev/null | wc -l) >= 50 )); do
                kill -0 $! || { cat /srv/resync; exit 1; }
            done
            kill -KILL $!
            """)
        let half = try lab.stored(for: user, on: "b").count
        #expect((50..<count).contains(half), "killed midway: \(half)")

        let output = try lab.resyncOne(user)
        #expect(output.status == 0, "\(output)")
        let added = try #require(output.text.firstMatch(of: /u5@example\.com: ([0-9]+) added\n/)?.1)
        #expect((count - half - 1...count - half).contains(Int(added) ?? 0), "\(half), then \(added)")
        // A server is in touch again when all its users are.
        #expect(!output.text.contains("marked"), "\(output)")
        try lab.expectEqual(user, count: count)
        for proxy in lab.mailboxes { #expect(try lab.maildrop(of: user, at: proxy) == all) }
        #expect(try lab.stored(for: other, on: "b") == [], "not this user")

        let again = try lab.resyncOne(user)
        #expect(again.status == 0)
        #expect(again.text == "b: 1 users, 0 messages added, 0 removed, 0 pruned, 0 only there, 0 users not done\n")
        #expect(try lab.resyncOne(other).status == 0)
        try lab.expectEqual(other, count: 1)
    }

    @Test func `A terminal shows a bar that reaches its end, a file has nothing of it`() throws {
        let lab = try Lab.current
        try lab.addMasterUser()
        let users = (7...10).map { "u\($0)@example.com" }
        for user in users {
            // The first has two, for the bar to move within a user.
            let notes = user == users[0] ? [note("Kept"), note("Kept, too")] : [note("Kept")]
            try lab.deliver(notes, to: user)
            try lab.copies(for: user, count: notes.count)
            try lab.forget(user, on: "b")
        }
        let command = """
            covey resync --to b --all --users /srv/users --master resync --password-file /etc/covey/master.password --keep
            """
        try lab.shell("a", "printf '%s\\n' \(users.joined(separator: " ")) >/srv/users")
        let result = "b: 4 users, 5 messages added, 0 removed, 0 pruned, 0 only there, 0 users not done\n"

        let shown = try lab.shell("a", "script -qec '\(command)' /dev/null </dev/null").text
        let empty = String(repeating: ".", count: 30)
        let full = String(repeating: "#", count: 30)
        let bars = shown.matches(of: /\r\u{1B}\[K(\[[#.]{30}\] [^\r\u{1B}]*)/).map { String($0.1) }
        #expect(bars.first == "[\(empty)] 0/4 u7@example.com", "\(shown)")
        #expect(bars.last?.trimmingCharacters(in: .newlines) == "[\(full)] 4/4 ", "\(shown)")
        let done = bars.map { bar in bar.split(separator: " ")[1...].joined(separator: " ") }
        #expect(
            done == [
                "0/4 u7@example.com", "0/4 u7@example.com, message 1 of 2", "0/4 u7@example.com, message 2 of 2",
                "1/4 u8@example.com", "1/4 u8@example.com, message 1 of 1", "2/4 u9@example.com",
                "2/4 u9@example.com, message 1 of 1", "3/4 u10@example.com", "3/4 u10@example.com, message 1 of 1",
                "4/4",
            ], "\(shown)")
        let filled = bars.map { $0.count { $0 == "#" } }
        #expect(filled == [0, 3, 7, 7, 15, 15, 22, 22, 30, 30], "\(shown)")
        #expect(shown.contains("u9@example.com: 1 added\r\n"), "lines of their own beside it: \(shown)")
        #expect(shown.contains(result.replacing("\n", with: "\r\n")))
        for user in users { try lab.expectEqual(user, count: user == users[0] ? 2 : 1) }

        // Neither in a file beside a terminal nor where there is none.
        for user in users { try lab.forget(user, on: "b") }
        let beside = try lab.shell("a", "script -qec '\(command) >/srv/resync' /dev/null </dev/null").text
        #expect(beside.contains("[\(full)] 4/4"), "\(beside)")
        for user in users { try lab.forget(user, on: "b") }
        for text in [try lab.exec("a", "cat", "/srv/resync").text, try lab.shell("a", "\(command) </dev/null").text] {
            #expect(text.contains(result), "\(text)")
            #expect(!text.contains("\r") && !text.contains("\u{1B}") && !text.contains("#"), "\(text)")
        }
    }
}

extension Lab {
    /// A user's mailbox is gone, as from a new disk.
    fileprivate func forget(_ user: String, on server: String) throws {
        try exec(server, "rm", "-rf", "/var/vmail/example.com/\(user.prefix { $0 != "@" })")
    }

    fileprivate func resyncOne(_ user: String) throws -> CommandOutput {
        try attempt(
            "b",
            [
                "covey", "resync", "--to", "b", "--user", user, "--master", "resync", "--password-file",
                "/etc/covey/master.password",
            ])
    }
}
