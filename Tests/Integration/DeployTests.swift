import Foundation
import TestSupport
import Testing

/// Packages and scripts/deploy, on hosts with Postfix and Dovecot that have never heard of Covey. sshd is real; in the place
/// of systemd a program reads the packages' units and does what they say, as far as a lab can (scripts/lib/lab-systemctl).
///
/// The tests come one after the other on the same hosts, and each leaves them with version 1.
extension RealServers {
    @Suite(.serialized, .lab(mailboxes: 2, suffix: "-deploy", bare: true)) struct Deploy {
        static let first = "0.1.0~test1"
        static let second = "0.1.0~test2"
        private static let broken = "0.1.0~test3"
        private static let hosts = ["a", "b", "mh1", "mh2"]

        let lab: Lab
        let administrator: LabAdministrator
        private var packages: String {
            "\(URL(filePath: administrator.folder).deletingLastPathComponent().path)/packages"
        }

        init() throws {
            lab = try Lab.current
            administrator = LabAdministrator(lab)
        }

        /// All that deploy may touch on a host, and which processes run.
        private func state(_ host: String) throws -> String {
            try lab.shell(
                host,
                """
                find /etc /lib/systemd /usr/lib/systemd /usr/share/covey /var/lib/covey -type f -printf '%p %M %u:%g %T@\\n' 2>/dev/null | sort || true
                find /etc/covey /etc/postfix -type f -print0 2>/dev/null | sort -z | xargs -0r sha256sum || true
                dpkg-query -W -f '${Package} ${Version} ${Status}\\n'
                pgrep -a covey || true
                """
            ).text
        }

        private func states() throws -> [String] { try Deploy.hosts.map(state) }

        func version(on host: String) throws -> String {
            try lab.exec(host, "dpkg-query", "-W", "-f", "${Version}", "covey").line
        }

        /// The programs that run are those of the packages installed: a file that was replaced is "(deleted)".
        private func runningPrograms(on host: String) throws -> String {
            try lab.shell(host, "for p in $(pgrep covey-); do readlink /proc/$p/exe; done").line
        }

        func deployed() throws -> String {
            let folder = "\(packages)/\(Deploy.first)"
            if FileManager.default.fileExists(atPath: folder) { return folder }
            return try administrator.makePackages(version: Deploy.first)
        }

        func upgrade(of folder: String) throws -> String {
            let next = "\(packages)/\(Deploy.second)"
            if FileManager.default.fileExists(atPath: next) { return next }
            return try administrator.repack(folder, from: Deploy.first, to: Deploy.second)
        }

        @Test func `1. From hosts without Covey to mail at both proxies, and a second deploy changes nothing`() throws {
            let folder = try deployed()
            let before = try states()
            let plan = try administrator.deploy(folder, "--dry-run").successful("dry run").text
            for line in [
                "would install covey covey-pop3d \(Deploy.first)",
                "would put /etc/covey/cluster.key (0640, root:covey)",
                "would start covey-milter", "would run postfix/setup --host mh2",
            ] { #expect(plan.contains("  \(line)\n"), "\(line)\n\(plan)") }
            #expect(try states() == before)

            let output = try administrator.deploy(folder).successful("deploy").text
            // Dovecot is the administrator's: its lines are printed, and do what they shall when they are typed in.
            for server in lab.mailboxes {
                let commands = LabAdministrator.leftCommands(of: server, in: output)
                try #require(commands.count == 3, "\(server): \(output)")
                for command in commands { try lab.shell(server, command) }
            }
            for host in Deploy.hosts {
                #expect(try version(on: host) == Deploy.first)
                let listing = try lab.shell(host, "stat -c '%n %a %U:%G' /etc/covey/*").text
                #expect(listing.contains("/etc/covey/cluster.toml 644 root:root\n"), "\(listing)")
                #expect(listing.contains("/etc/covey/cluster.key 640 root:covey\n"), "\(listing)")
                // Hubs have no business in the journal.
                #expect(
                    listing.contains("journal.password 640 root:covey\n") == lab.mailboxes.contains(host), "\(listing)")
            }
            try lab.waitForHubsToSeeAllServers()
            let user = "u1@example.com"
            for hub in lab.hubs { try lab.warmUp([user], at: hub) }
            for hub in lab.hubs { #expect(try lab.send(note("Deployed by \(hub)"), to: [user], at: hub).isAccepted) }
            let copies = try lab.copies(for: user, count: 2) { $0.subject.hasPrefix("Deployed") }
            let ids = try #require(copies["a"]).flatMap(\.ids).sorted()
            for proxy in lab.mailboxes {
                let seen = try lab.maildrop(of: user, at: proxy)
                #expect(Set(seen).isSuperset(of: ids), "\(proxy): \(seen)")
            }

            let now = try states()
            let again = try administrator.deploy(folder).successful("second deploy").text
            #expect(again.split(separator: "\n").count { $0 == "  nothing to change" } == 4, "\(again)")
            #expect(again.hasSuffix("Done: all healthy.\n"), "\(again)")
            #expect(try states() == now)
        }

        /// The sandbox of the unit leaves the milter what it needs: its flush command is set-group-id elsewhere.
        @Test func `2. A missing copy leaves the queue when its server returns, without new privileges`() throws {
            let user = "u2@example.com"
            try lab.warmUp([user], at: "mh1")
            let line = try lab.shell("mh1", "cat /proc/$(pgrep covey-milter)/status").text
            #expect(line.contains("NoNewPrivs:\t1\n") && line.contains("CapBnd:\t0000000000000000\n"), "\(line)")
            // At once, with its children: an orderly stop lets the milter's open connection store one more message.
            try lab.stop(.dovecot, on: "b", signal: "KILL")
            #expect(try lab.send(note("Missed"), to: [user]).isAccepted)
            #expect(try lab.queuedRecipients(of: "mh1", for: user) == ["\(user).b.covey.invalid"])
            // Killed children may hold its ports for a moment.
            try lab.wait(for: "Dovecot on b") {
                try lab.start(.dovecot, on: "b")
                return true
            }
            try lab.copies(for: user, within: 60) { $0.subject.hasPrefix("Missed") }
            let log = try lab.exec("mh1", "cat", "/var/log/covey-milter.log").text
            #expect(log.contains("queue flushed") && !log.contains("flush command failed"), "\(log)")
            try lab.waitForHubsToSeeAllServers()
        }

        @Test func `3. systemctl reload: the daemons tell when they have read the configuration`() throws {
            for (host, daemon, status) in [
                ("mh1", "covey-milter", "stores on a, b for example.com, example.org"),
                ("a", "covey-pop3d", "merges a, b"),
            ] {
                let before = try lab.exec(host, "systemctl", "status", daemon).text
                #expect(before.contains("Active: active\n") && before.contains("Status: \"\(status)\""), "\(before)")
                try lab.exec(host, "systemctl", "reload", daemon)
                try lab.wait(for: "\(daemon) to be ready again") {
                    try lab.exec(host, "cat", "/var/log/\(daemon).log").text.contains("onfiguration reloaded")
                        && lab.exec(host, "systemctl", "status", daemon).text == before
                }
            }
        }

        @Test func `4. Hosts that would disagree on the file are refused before anything is changed`() throws {
            let folder = try deployed()
            let text = try String(contentsOfFile: administrator.clusterFile, encoding: .utf8)
            let other = "\(administrator.folder)/other.toml"
            try #require(text.contains("delivery_timeout = \"5s\""))
            try text.replacing("delivery_timeout = \"5s\"", with: "delivery_timeout = \"6s\"").write(
                toFile: other, atomically: true, encoding: .utf8)
            let before = try states()

            let refused = try administrator.deploy(folder, config: other, "--host", "a", "--host", "mh1")
            #expect(refused.status == 1)
            for host in ["b", "mh2"] {
                #expect(refused.text.contains("would disagree on \(other): \(host) has another one"), "\(refused)")
            }
            let partial = try administrator.deploy(folder, config: other, "--host", "a", "--partial", "--dry-run")
            #expect(
                partial.status == 0 && partial.text.contains("would reload covey-pop3d")
                    && partial.text.contains("would put /etc/covey/cluster.toml"), "\(partial)")

            // Who cannot be asked may have anything; that does not matter where the file stays as it is.
            try lab.unplug("mh2")
            defer { try? lab.plug("mh2") }
            let unknown = try administrator.deploy(folder, config: other, "--host", "a", "--host", "b", "--host", "mh1")
            #expect(unknown.status == 1 && unknown.text.contains("mh2 cannot be asked"), "\(unknown)")
            let same = try administrator.deploy(folder, "--host", "a")
            #expect(same.status == 0 && same.text.contains("  nothing to change"), "\(same)")
            let all = try administrator.deploy(folder)
            #expect(all.status == 1 && all.text.contains("Nothing was changed anywhere"), "\(all)")
            try lab.plug("mh2")

            // Another key is no matter of files alone.
            let key = "\(administrator.folder)/other.key"
            try lab.exec("a", "sh", "-c", "rm -f /tmp/k; covey keygen /tmp/k")
            try Data(try lab.exec("a", "cat", "/tmp/k").octets).write(to: URL(filePath: key))
            chmod(key, 0o600)
            try text.replacing("\"cluster.key\"", with: "\"other.key\"").write(
                toFile: other, atomically: true, encoding: .utf8)
            let rekeyed = try administrator.deploy(folder, config: other)
            #expect(rekeyed.status == 1 && rekeyed.text.contains("a has another cluster.key"), "\(rekeyed)")
            #expect(try states() == before)
        }

        @Test func `5. A host that does not become healthy stops it, with advice; rollback takes back what was done`()
            throws
        {
            let folder = try deployed()
            let bad = try administrator.repack(
                folder, from: Deploy.first, to: Deploy.broken,
                change: ["covey-milter": "printf '#!/bin/sh\\nexit 78\\n' >usr/bin/covey-milter"])
            let output = try administrator.deploy(bad)
            #expect(output.status == 1)
            for words in [
                "Stopped at mh1", "Done and healthy: a b", "Not touched: mh2", "--rollback",
                "covey-milter does not start",
            ] { #expect(output.text.contains(words), "\(words): \(output)") }
            #expect(try Deploy.hosts.map(version) == [Deploy.broken, Deploy.broken, Deploy.broken, Deploy.first])
            // The others go on.
            let user = "u3@example.com"
            try lab.warmUp([user], at: "mh2")
            #expect(try lab.send(note("Meanwhile"), to: [user], at: "mh2").isAccepted)

            let back = try administrator.deploy(folder, "--rollback")
            #expect(back.status == 0 && back.text.contains("Done: healthy: a b mh1\n"), "\(back)")
            #expect(back.text.contains("mh2 (") && back.text.contains("another deploy: not touched"), "\(back)")
            for host in Deploy.hosts {
                #expect(try version(on: host) == Deploy.first)
                #expect(!(try runningPrograms(on: host).contains("deleted")))
            }
            try lab.warmUp([user], at: "mh1")
            #expect(try lab.send(note("Afterwards"), to: [user], at: "mh1").isAccepted)
            try lab.copies(for: user) { $0.subject.hasPrefix("Afterwards") }
        }

        @Test func `6. A rolling upgrade under load: nothing lost, nobody refused for good, every login; and back`()
            throws
        {
            let folder = try deployed()
            let next = try upgrade(of: folder)
            let users = (11...16).map { "u\($0)@example.com" }
            for hub in lab.hubs { try lab.warmUp(users, at: hub) }
            let traffic = lab.hubs.map { Traffic(lab, users: users, hub: $0, senders: 2, pause: 100) }
            let readers = MaildropTraffic(lab, users: users, readers: 2)

            let output = try administrator.deploy(next)
            let upgraded = try Deploy.hosts.map(version)
            let running = try Deploy.hosts.map(runningPrograms)
            let sessions = try readers.end()
            let answers = try traffic.map { try $0.end() }
            #expect(output.status == 0 && output.text.contains("Done: all healthy."), "\(output)")
            #expect(upgraded == Deploy.hosts.map { _ in Deploy.second })
            #expect(running.allSatisfy { !$0.isEmpty && !$0.contains("deleted") }, "\(running)")
            #expect(sessions.done > 0 && sessions.failures == [])
            for hub in answers.indices {
                for (message, answer) in answers[hub].enumerated() where answer?.code != 250 {
                    #expect(
                        answer?.isTransient == true, "\(lab.hubs[hub]), message \(message): \(answer?.text ?? "none")")
                }
            }
            let accepted = answers.map { $0.count { $0?.code == 250 } }
            let putOff = answers.map { $0.count { $0?.isTransient == true } }
            print(
                "upgrade: messages accepted \(accepted), put off \(putOff); sessions \(sessions.done), "
                    + "of them at the second address \(sessions.retried)")
            for hub in lab.hubs { try lab.emptyQueue(of: hub) }
            // Both hubs number theirs from 0: what was accepted anywhere is on each server as often as it was accepted.
            let all = answers.flatMap { list in
                list.indices.filter { list[$0]?.code == 250 }.map { "Traffic \($0) note" }
            }
            for server in lab.mailboxes {
                let subjects = try users.flatMap { try lab.stored(for: $0, on: server).map(\.subject) }
                let stored = Dictionary(subjects.map { ($0, 1) }, uniquingKeysWith: +)
                let lost = Dictionary(all.map { ($0, 1) }, uniquingKeysWith: +).filter {
                    stored[$0.key, default: 0] < $0.value
                }
                #expect(lost.isEmpty, "accepted and not on \(server)")
            }
            let back = try administrator.deploy(next, "--rollback")
            #expect(back.status == 0 && back.text.contains("Done: all healthy."), "\(back)")
            #expect(try Deploy.hosts.map(version) == Deploy.hosts.map { _ in Deploy.first })
        }

        @Test func `7. A deploy that stopped and went on is taken back whole, in two parts too, and no further`()
            throws
        {
            let next = try upgrade(of: deployed())
            // postfix/setup stops at a domain that is local too, before anything is changed on this host.
            let before = try lab.exec("mh1", "postconf", "-h", "mydestination").line
            try lab.exec("mh1", "postconf", "mydestination = \(before), example.com")
            let stopped = try administrator.deploy(next)
            try lab.exec("mh1", "postconf", "mydestination = \(before)")
            #expect(stopped.status == 1 && stopped.text.contains("Stopped at mh1"), "\(stopped)")
            #expect(try Deploy.hosts.map(version) == [Deploy.second, Deploy.second, Deploy.first, Deploy.first])
            // The runs have different times, in seconds: the first took longer than one.
            let resumed = try administrator.deploy(next)
            #expect(resumed.status == 0 && resumed.text.contains("Done: all healthy."), "\(resumed)")
            #expect(try Deploy.hosts.map(version) == Deploy.hosts.map { _ in Deploy.second })

            let one = try administrator.deploy(next, "--rollback", "--host", "a")
            #expect(one.status == 0, "\(one)")
            #expect(try Deploy.hosts.map(version) == [Deploy.first, Deploy.second, Deploy.second, Deploy.second])
            let rest = try administrator.deploy(next, "--rollback")
            #expect(rest.status == 0 && rest.text.contains("Done: healthy: b mh1 mh2\n"), "\(rest)")
            #expect(try Deploy.hosts.map(version) == Deploy.hosts.map { _ in Deploy.first })
            // And no further: what was there before it stays.
            let states = try self.states()
            let again = try administrator.deploy(next, "--rollback")
            #expect(again.status == 1 && again.text.contains("nothing was changed"), "\(again)")
            #expect(try self.states() == states)
        }
    }
}
