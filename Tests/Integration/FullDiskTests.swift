import Foundation
import TestSupport
import Testing

extension RealServers {
    /// Disks without a free block (ENOSPC). What fills up is a small file system of its own, over one user's mailbox or
    /// over the directory in which covey-milter keeps long messages.
    @Suite struct FullDisks {
        @Test func `What one server has no room for waits in the queue, and arrives when there is room`() throws {
            let lab = try Lab.current
            let user = "full1@example.com"
            try lab.addUsers([user])
            defer { try? lab.removeUsers([user]) }
            let disk = try FullDisk(lab, of: user, on: "c")
            defer { disk.remove() }
            #expect(try lab.send(note("Before"), to: [user]).isAccepted)
            try disk.fill()
            let outcome = try lab.send(note("No room"), to: [user])
            #expect(outcome.message?.code == 250, "\(outcome)")
            let stored = try lab.copies(for: user, count: 2, on: ["a", "b"], within: 0)
            #expect(try disk.stored().map(\.subject) == ["Before note"])
            // Postfix's own try meets the same.
            let waiting = try lab.wait(
                for: "the copy for c in the queue, with Dovecot's words",
                { try lab.queue(of: "mh1").flatMap(\.recipients) },
                until: { $0.contains { $0.delayReason?.contains("451 4.2.0") == true } })
            #expect(waiting.map(\.address) == ["\(user).c.covey.invalid"])
            // Who reads meanwhile misses nothing.
            #expect(try lab.maildrop(of: user, at: "c").count == 2)

            try disk.makeRoom()
            try lab.emptyQueue(of: "mh1")
            let late = try disk.stored()
            #expect(late.flatMap(\.ids).sorted() == stored["a"]?.flatMap(\.ids).sorted(), "\(late)")
            #expect(late.first { $0.subject == "No room note" }?.body == text("A note.\n"))
            for proxy in lab.mailboxes { #expect(try lab.maildrop(of: user, at: proxy).count == 2) }
        }

        @Test func `With no room anywhere the sender is asked to retry, and nothing is lost or there twice`() throws {
            let lab = try Lab.current
            let user = "full2@example.com"
            try lab.addUsers([user])
            defer { try? lab.removeUsers([user]) }
            var disks: [FullDisk] = []
            defer { for disk in disks { disk.remove() } }
            for server in lab.mailboxes { disks.append(try FullDisk(lab, of: user, on: server)) }
            #expect(try lab.send(note("Before"), to: [user]).isAccepted)
            for disk in disks { try disk.fill() }
            for hub in lab.hubs {
                let outcome = try lab.send(note("No room"), to: [user], at: hub)
                #expect(outcome.message?.isTransient == true, "\(outcome)")
                #expect(try lab.queuedRecipients(of: hub, for: user) == [])
            }
            for disk in disks {
                #expect(try disk.stored().map(\.subject) == ["Before note"], "\(disk.server)")
                try disk.makeRoom()
            }
            let retry = try lab.send(note("No room"), to: [user], at: "mh2")
            #expect(retry.isAccepted, "\(retry)")
            var ids: Set<[String]> = []
            for disk in disks {
                let stored = try disk.stored()
                #expect(stored.map(\.subject).sorted() == ["Before note", "No room note"], "\(disk.server)")
                ids.insert(stored.flatMap(\.ids).sorted())
            }
            #expect(ids.count == 1, "\(ids)")
            for proxy in lab.mailboxes { #expect(try lab.maildrop(of: user, at: proxy).sorted() == ids.first) }
            #expect(try lab.queue(of: "mh1") == [] && lab.queue(of: "mh2") == [])
        }

        @Test func `A hub without room for long messages asks the sender to retry, and takes short ones`() throws {
            let lab = try Lab.current
            let (hub, user) = ("mh2", "full3@example.com")
            try lab.addUsers([user])
            defer { try? lab.removeUsers([user]) }
            try lab.warmUp([user], at: hub)
            // Twice what the milter keeps in memory, design §4.1.
            let long = note("Long", body: String(repeating: String(repeating: "x", count: 63) + "\n", count: 8192))
            // Where covey-milter's temporary files are, which have no names.
            try lab.shell(hub, "mount -t tmpfs -o size=384k,mode=1777 tmpfs /var/tmp")
            defer { _ = try? lab.attempt(hub, ["umount", "--lazy", "/var/tmp"]) }
            for _ in 1...2 {
                let outcome = try lab.send(long, to: [user], at: hub)
                #expect(outcome.message?.code == 452, "\(outcome)")
                #expect(outcome.message?.text.contains("4.3.1") == true, "\(outcome)")
            }
            let reason = "reason=write to the spool: No space left on device"
            #expect(try lab.milterLog(of: hub).contains(reason))
            #expect(try lab.send(note("Short"), to: [user], at: hub).isAccepted)
            // What was written of the refused ones is gone again.
            let used = try lab.exec(hub, "df", "--output=used", "/var/tmp").line.split(separator: "\n")
            #expect(used.last?.trimmingCharacters(in: .whitespaces) == "0")
            try lab.shell(hub, "mount -o remount,size=8m /var/tmp")
            let retry = try lab.send(long, to: [user], at: hub)
            #expect(retry.isAccepted, "\(retry)")
            let copies = try lab.copies(for: user, count: 2, within: 0)
            #expect(Set(copies.values.map { $0.flatMap(\.ids).sorted() }).count == 1, "\(copies)")
            #expect(try lab.maildrop(of: user, at: "a").count == 2)
        }
    }
}

/// A file system of a quarter of a megabyte that holds one user's mailbox on one server.
private struct FullDisk {
    let lab: Lab
    let server: String
    private let folder: String

    init(_ lab: Lab, of user: String, on server: String) throws {
        self.lab = lab
        self.server = server
        let parts = user.split(separator: "@")
        folder = "/var/vmail/\(parts[1])/\(parts[0])"
        try lab.shell(
            server,
            """
            install -d -o vmail -g vmail '/var/vmail/\(parts[1])' '\(folder)'
            mount -t tmpfs -o size=256k,mode=700,uid=$(id -u vmail),gid=$(id -g vmail) tmpfs '\(folder)'
            """)
    }

    /// Not one block is left.
    func fill() throws {
        let output = try lab.attempt(server, ["dd", "if=/dev/zero", "of=\(folder)/filler", "bs=4096"])
        guard output.status == 1, output.text.contains("No space left on device") else {
            throw LabFailure("\(folder) on \(server) was not filled: \(output)")
        }
    }

    func makeRoom() throws { try lab.exec(server, "rm", "\(folder)/filler") }

    func remove() { _ = try? lab.attempt(server, ["umount", "--lazy", folder]) }

    /// `Lab.stored` sees what is below.
    func stored() throws -> [StoredMessage] {
        let lines = try lab.shell(
            server, "find \(folder)/Maildir/new \(folder)/Maildir/cur -type f -exec base64 -w 0 '{}' ';' -exec echo ';'"
        ).text.split(separator: "\n")
        return lines.compactMap { Data(base64Encoded: String($0)) }.map { StoredMessage(Array($0)) }
    }
}
