import Foundation
import TestSupport
import Testing

extension RealServers {
    /// What strangers and broken programs send to the proxy.
    @Suite struct POP3BadInput {
        static let user = "u41@example.com"

        /// Each gets a clear -ERR with a maildrop open.
        static let lines: [String] = {
            let numbers = [
                "", " ", " 0", " -1", " +1", " 01x", " 1 x", " 1 2 3", " 1.5", " 0x1", " ١", " 3", " 999999999",
                " 2147483648", " 4294967297", " 9223372036854775807", " 9223372036854775808",
                " 18446744073709551617", " " + String(repeating: "9", count: 180), " one", " 1\t", " \u{0}1", " *",
            ]
            var lines: [String] = []
            for command in ["RETR", "DELE"] { lines += numbers.map { command + $0 } }
            // These take no number as well.
            for command in ["LIST", "UIDL"] { lines += numbers.dropFirst(2).map { command + $0 } }
            lines += numbers.map { "TOP" + $0 } + numbers.map { "TOP" + $0 + " 0" }.filter { $0 != "TOP  0" }
            lines += ["TOP 1 -1", "TOP 1 x", "TOP 1 99999999999999999999", "TOP 1 1 1"]
            lines += ["STAT 1", "NOOP x", "RSET 1", "QUIT now", "CAPA x", "USER", "USER x", "PASS", "PASS x"]
            lines += ["AUTH PLAIN", "APOP x 0123456789abcdef0123456789abcdef", "STLS", "XCLIENT ADDR=192.0.2.1"]
            lines += ["XYZZY", "", " ", "\u{0}", ":", "RETR:1", "HELO x", "GET / HTTP/1.1", "a001 LOGIN x y", "é 1"]
            lines += [String(repeating: "A", count: 2_000), "RETR " + String(repeating: "1", count: 100_000)]
            return lines
        }()

        @Test func `Every command with bad arguments gets an error, and the session goes on`() throws {
            let lab = try Lab.current
            try lab.deliver([note("One"), note("Two")], to: POP3BadInput.user)
            let before = try lab.memory(of: "a")
            // A few in each session: who sends nothing else is sent away.
            for start in stride(from: 0, to: POP3BadInput.lines.count, by: 4) {
                let session = try lab.session(POP3BadInput.user, at: "a")
                for line in POP3BadInput.lines[start...].prefix(4) {
                    let answer = try session.command(line)
                    #expect(answer.hasPrefix("-ERR "), "\(line.prefix(100).debugDescription): \(answer)")
                    #expect(answer.utf8.count <= 510, "RFC 2449 §4: \(line.prefix(100).debugDescription)")
                }
                #expect(try session.command("STAT").hasPrefix("+OK 2 "))
                #expect(try session.command("QUIT").hasPrefix("+OK"))
            }
            // Before login no argument helps.
            for line in ["STAT", "LIST", "RETR 1", "DELE 1", "RSET", "UIDL", "TOP 1 0", "PASS secret", "USER", "XYZZY"]
            {
                let connection = try POP3Connection(lab.address(of: "a"))
                _ = try connection.line()
                #expect(try connection.command(line).hasPrefix("-ERR "), "\(line)")
            }
            #expect(try lab.counts(for: POP3BadInput.user) == [2, 2, 2])
            #expect(try lab.memory(of: "a").peak - before.now < 30_000, "kB")
        }

        @Test func `Endless lines and binary rubbish cost no memory and end nobody else's session`() throws {
            let lab = try Lab.current
            let bystander = try lab.session("u42@example.com", at: "a")
            let before = try lab.memory(of: "a")
            let address = lab.address(of: "a")
            try parallel(20) { number in
                var random = SeededGenerator(state: UInt64(number + 1))
                let endless = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
                let rubbish = (0..<(1 << 16)).map { _ in UInt8.random(in: 0...255, using: &random) }
                let connection = try POP3Connection(address)
                _ = try connection.line()
                // The proxy may close at any time, and nothing else counts here.
                do {
                    if number % 2 == 0 {
                        for _ in 1...3 { try connection.write(endless) }
                        try connection.write(text("\r\n"))
                        let answer = try connection.line()
                        guard answer.hasPrefix("-ERR ") else { throw LabFailure("\(number): \(answer)") }
                        _ = try connection.command("QUIT")
                    } else {
                        try connection.write(rubbish)
                        _ = try connection.rest()
                    }
                } catch let failure as LabFailure where failure.description.hasPrefix("write:") {}
            }
            #expect(try lab.memory(of: "a").peak - before.now < 30_000, "kB")
            #expect(try bystander.command("STAT") == "+OK 0 0")
            #expect(try bystander.command("QUIT").hasPrefix("+OK"))
        }

        @Test func `Hundreds of connections that say nothing keep nobody waiting, and one address has its limit`()
            throws
        {
            let lab = try Lab.current
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = min(limit.rlim_max, 4_096)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            func duration() throws -> Duration {
                let start = ContinuousClock.now
                for _ in 1...5 {
                    let session = try lab.session(POP3BadInput.user, at: "a")
                    try session.expectOK("RETR 1")
                    _ = try session.lines()
                    #expect(try session.command("QUIT").hasPrefix("+OK"))
                }
                return ContinuousClock.now - start
            }
            let alone = try duration()
            let before = try lab.memory(of: "a")
            // A tenth of max_connections is 500; the sessions come from here, too.
            let silent = try (1...490).map { _ in try POP3Connection(lab.address(of: "a")) }
            for connection in silent { #expect(try connection.line().hasPrefix("+OK")) }
            let among = try duration()
            #expect(among < alone * 3 + .milliseconds(500), "alone \(alone), among the silent \(among)")
            let growth = try lab.memory(of: "a").peak - before.now
            print("490 silent connections: \(growth) kB; five sessions took \(among), alone \(alone)")
            #expect(growth < 20_000, "kB")

            let more = try (1...30).map { _ in try POP3Connection(lab.address(of: "a")) }
            let greetings = try more.map { try $0.line() }
            #expect(greetings.count { $0.hasPrefix("+OK") } <= 10)
            #expect(greetings.allSatisfy { $0.hasPrefix("+OK") || $0.hasPrefix("-ERR [SYS/TEMP] Too many") })
            try lab.exec(
                "client", "curl", "-sS", "--user", "\(POP3BadInput.user):secret", "pop3://\(lab.address(of: "a")):1100/"
            )
            withExtendedLifetime(more) {}
            withExtendedLifetime(silent) {}
        }
    }
}

/// The same numbers in every run.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        // SplitMix64.
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

extension Lab {
    /// Resident memory of a host's proxy in kB: now, and at most so far.
    func memory(of host: String) throws -> (now: Int, peak: Int) {
        let lines = try shell(host, "cat /proc/$(cat /run/covey-pop3d.pid)/status").text.split(separator: "\n")
        func value(_ name: String) throws -> Int {
            let words = lines.first { $0.hasPrefix(name) }?.split(whereSeparator: \.isWhitespace)
            return try #require(words.flatMap { Int($0[1]) })
        }
        return (try value("VmRSS:"), try value("VmHWM:"))
    }
}
