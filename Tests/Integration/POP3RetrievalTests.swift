import Foundation
import TestSupport
import Testing

extension RealServers {
    /// Servers that die while they send a message.
    @Suite struct POP3Retrieval {
        /// Octets that the mail program takes before the server dies, chosen by a seed that is printed: 52 in all. What
        /// the kernels hold is on its way by then, so that a server that dies late has sent it all.
        static func points(seed: UInt64) -> [Int] {
            var generator = SeededGenerator(state: seed)
            return (0..<26).map { _ in Int.random(in: 0..<20_000_000, using: &generator) }
        }

        /// What becomes of a server, as two servers can die at once and the third goes on.
        enum Fate: String, CaseIterable {
            case killedAndPoweredOff = "killed (b), powered off (a)"
            case stoppedAndUnplugged = "stopped (b), unplugged (a)"
        }

        /// Sessions at b's proxy, half of them reading from b and half from a; both servers die, c goes on.
        @Test(
            "A message of 20 MB whose server dies on the way comes whole, or visibly broken", arguments: Fate.allCases)
        func death(fate: Fate) throws {
            let lab = try Lab.current
            let message = POP3Retrieval.largeMessage(fate.rawValue)
            let base = fate == .killedAndPoweredOff ? 43 : 45
            // One server with a copy to begin with, c with the copy to go on with.
            let users = ["b": "u\(base)@example.com", "a": "u\(base + 1)@example.com"]
            for (server, user) in users {
                for holder in [server, "c"] { try lab.exec(holder, "doveadm", "save", "-u", user, input: message) }
            }
            let seed =
                ProcessInfo.processInfo.environment["COVEY_SEED"].flatMap(UInt64.init) ?? .random(in: 1...999_999)
            let points = POP3Retrieval.points(seed: seed)
            print("\(fate.rawValue): COVEY_SEED=\(seed)")
            let half = points.count / 2
            let sessions = try users.sorted { $0.key < $1.key }.enumerated().flatMap { place, user in
                let points = Array(points[(place * half)...].prefix(half))
                return try parallel(half) { index in
                    let session = try lab.session(user.value, at: "b", receiveBuffer: 65_536)
                    try session.expectOK("RETR 1")
                    try session.read(atLeast: points[index])
                    return Reading(server: user.key, point: points[index], session: session)
                }
            }
            switch fate {
            case .killedAndPoweredOff:
                try lab.stop(.dovecot, on: "b", signal: "KILL")
                try lab.powerOff("a")
            case .stoppedAndUnplugged:
                try lab.freezeDovecot(on: "b")
                try lab.unplug("a")
            }
            let expected = POP3Retrieval.body(of: message)
            let outcomes = try parallel(sessions.count) { index in
                let start = Date()
                let (octets, isWhole) = try sessions[index].session.message()
                let body = POP3Retrieval.body(of: octets)
                return (
                    isWhole: isWhole, isEqual: body == expected, octets: body.count,
                    seconds: -start.timeIntervalSinceNow
                )
            }
            switch fate {
            case .killedAndPoweredOff:
                try lab.start(.dovecot, on: "b")
                try lab.boot("a")
            case .stoppedAndUnplugged:
                try lab.shell("b", "pkill -CONT -x dovecot && pkill -CONT -f '^dovecot/'")
                try lab.plug("a")
            }
            for (reading, outcome) in zip(sessions, outcomes) {
                // Never short and yet with a final dot.
                #expect(!outcome.isWhole || outcome.isEqual, "\(reading.server) at \(reading.point): \(outcome)")
            }
            let whole = outcomes.count { $0.isWhole && $0.isEqual }
            // Silence is waited for: who waited had a server die on it.
            let failovers = outcomes.count { $0.seconds > 10 }
            print("\(fate.rawValue): \(whole) of \(outcomes.count) messages whole; \(failovers) after a silent server")
            #expect(whole * 100 >= outcomes.count * 95)
            // How many depends on what the kernels held at these points.
            #expect(failovers >= (fate == .killedAndPoweredOff ? 1 : 2), "the servers' ends met too few messages")
            try lab.waitForAllServers()
        }

        /// The same numbers for the same seed (splitmix64).
        private struct SeededGenerator: RandomNumberGenerator {
            var state: UInt64

            mutating func next() -> UInt64 {
                state &+= 0x9E37_79B9_7F4A_7C15
                var word = state
                word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
                word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
                return word ^ (word >> 31)
            }
        }

        /// A session in the middle of RETR.
        private struct Reading: @unchecked Sendable {
            let server: String
            let point: Int
            /// Used by one thread at a time: `parallel` ends before the next begins.
            let session: POP3Connection
        }

        /// 20 MB with CRLF, no line of which begins with a dot: as it travels.
        static func largeMessage(_ subject: String) -> [UInt8] {
            var octets = note(subject, body: "")
            let block = (0..<1_000).map { String(format: "%06d ", $0) + String(repeating: "z", count: 71) + "\r\n" }
                .joined()
            for number in 0..<250 { octets += text("Block \(number)\r\n" + block) }
            return octets
        }

        /// What follows the header section.
        static func body(of octets: [UInt8]) -> Data {
            let data = Data(octets)
            return data.range(of: Data("\r\n\r\n".utf8)).map { data[$0.upperBound...] } ?? Data()
        }
    }
}
