import TestSupport
import Testing

extension RealServers {
    @Suite struct Memory {
        @Test func `20 messages of 10 MB at once raise covey-milter's memory by less than 100 MB`() throws {
            let lab = try Lab.current
            let users = (0..<4).map { "u\(28 + $0)@example.com" }
            try lab.warmUp(users, at: "mh1")
            // A fresh one: the pages that earlier tests left behind shall not hide what this one takes.
            try lab.stop(.milter, on: "mh1")
            try lab.start(.milter, on: "mh1")
            #expect(try lab.send(note("Small"), to: [users[0]]).isAccepted)
            let before = try residentKiB(lab).peak

            let body = crlf(text(String(repeating: String(repeating: "m", count: 79) + "\n", count: 125_000)))
            let messages = (0..<20).map { note("Large \($0)", body: "") + body }
            let outcomes = try parallel(messages.count) { try lab.send(messages[$0], to: [users[$0 % 4]]) }
            for outcome in outcomes { #expect(outcome.isAccepted, "\(outcome)") }

            let after = try residentKiB(lab)
            #expect(after.peak - before < 100 * 1024, "peak from \(before) KiB to \(after.peak) KiB")
            for user in users { try lab.copies(for: user, count: 5, within: 0) { $0.subject.hasPrefix("Large") } }
            // Bodies spill to files that nobody sees and that are gone by now.
            let open = try lab.shell("mh1", "ls -l /proc/$(cat /run/covey-milter.pid)/fd | grep -c deleted || true")
                .line
            #expect(open == "0")
        }

        private func residentKiB(_ lab: Lab) throws -> (peak: Int, now: Int) {
            let status = try lab.shell("mh1", "cat /proc/$(cat /run/covey-milter.pid)/status").text
            func value(_ name: String) throws -> Int {
                guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("\(name):") }),
                    let number = line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap({
                        Int($0)
                    })
                else { throw LabFailure("no \(name) in \(status)") }
                return number
            }
            return (try value("VmHWM"), try value("VmRSS"))
        }
    }
}
