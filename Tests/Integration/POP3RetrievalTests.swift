import Foundation
import TestSupport
import Testing

extension RealServers {
    /// Servers that die while they send a message.
    @Suite struct POP3Retrieval {
        /// Octets that the mail program takes before the server dies. What the kernels hold is on its way by then.
        static let points = [0, 500_000, 1_000_000, 2_500_000, 5_000_000, 9_000_000]

        /// What becomes of a server, as two servers can die at once and the third goes on.
        enum Fate: String, CaseIterable {
            case killedAndPoweredOff = "killed (b), powered off (a)"
            case stoppedAndUnplugged = "stopped (b), unplugged (a)"
        }

        /// Twelve sessions at b's proxy, six reading from b and six from a; both servers die, c goes on.
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
            let sessions = try users.sorted { $0.key < $1.key }.flatMap { server, user in
                try parallel(POP3Retrieval.points.count) { index in
                    let session = try lab.session(user, at: "b", receiveBuffer: 65_536)
                    try session.expectOK("RETR 1")
                    try session.read(atLeast: POP3Retrieval.points[index])
                    return Reading(server: server, point: POP3Retrieval.points[index], session: session)
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
            #expect(failovers >= (fate == .killedAndPoweredOff ? 2 : 4), "the servers' ends met too few messages")
            try lab.waitForAllServers()
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
