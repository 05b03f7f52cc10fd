import TestSupport
import Testing

extension RealServers {
    /// Russell Coker's postal and rabid (Debian's package postal), which check with MD5 what comes out against what went in.
    ///
    /// BIND 9 on the host ns has the proxies' round-robin name; rabid asks it anew for each connection.
    @Suite(.lab(mailboxes: 2, suffix: "-postal", dns: true)) struct RoundRobinLoad {
        private static let users = (1...12).map { "u\($0)@example.com" }
        private static let messages = 300

        @Test func `postal's messages reach rabid through the proxies' name, each once and unharmed`() throws {
            let lab = try Lab.current
            let (users, count) = (RoundRobinLoad.users, RoundRobinLoad.messages)
            try lab.publishNames()
            for hub in lab.hubs { try lab.warmUp(users, at: hub) }
            try lab.shell(
                "client",
                """
                cd /srv; echo ann@elsewhere.example >senders
                for user in \(users.joined(separator: " ")); do echo $user secret; done >users
                for reader in 1 2 3 4; do sed -n "$reader~4p" users >users$reader; done
                """)

            // Both send and fetch without end.
            try lab.startLoad(
                "postal -t 2 -c 5 -m 40 -f ../senders mh1.example.com,mh2.example.com ../users", in: "postal")
            try lab.wait(for: "\(count) messages", within: 120) {
                try lab.left(of: users).allSatisfy { $0 >= count }
            }
            let (said, log) = try lab.endLoad("postal", in: "postal")
            #expect(said.isEmpty, "\(said)")
            let sent = log.compactMap { $0.split(separator: " ").first.map(String.init) }
            // What was under way has its answer when the hubs have no connection any more.
            for hub in lab.hubs {
                try lab.wait(for: "the end of postal's connections") {
                    try lab.exec(hub, "ss", "-Htn", "sport = :25").line.isEmpty
                }
                #expect(try lab.queue(of: hub) == [])
            }
            let stored = try lab.mailboxes.map { server in
                try users.flatMap { try lab.stored(for: $0, on: server) }.flatMap { $0.values(of: "X-PostalHash") }
                    .sorted()
            }
            #expect(stored[0] == stored[1])
            #expect(sent.count >= count && Set(sent).isSubset(of: stored[0]), "\(sent.count) sent")

            // Processes with users of their own: rabid's threads look the name up by gethostbyname(3), which is none of
            // theirs alone, and connect to what another has found.
            for reader in 1...4 {
                try lab.startLoad("rabid '+[pop.example.com]1100' ../users\(reader)", in: "rabid\(reader)")
            }
            try lab.wait(for: "empty mailboxes", within: 120, { try lab.left(of: users) }, until: { $0 == [0, 0] })
            try lab.wait(
                for: "the lines of all sessions", { lab.sessions(of: users).flatMap { $0 }.reduce(0, +) },
                until: { $0 == stored[0].count })
            let ends = try (1...4).map { try lab.endLoad("rabid", in: "rabid\($0)") }
            let complaints = ends.map(\.said).filter { !$0.isEmpty }
            // It complains at once of a sum that is another one, and of an answer that is no +OK.
            #expect(complaints.isEmpty, "\(complaints)")
            #expect(ends.flatMap(\.log).sorted() == stored[0], "each message once")
            let sessions = lab.sessions(of: users)
            #expect(sessions.allSatisfy { $0.contains { $0 > 0 } }, "both proxies had a part: \(sessions)")
            print(
                "rabid: \(stored[0].count) messages, removed at the proxies \(sessions.map { $0.reduce(0, +) }) "
                    + "in \(sessions.map { $0.count { $0 > 0 } }) sessions")
            for proxy in lab.mailboxes {
                for user in users { #expect(try lab.maildrop(of: user, at: proxy) == []) }
            }
        }
    }
}

extension Lab {
    /// Puts the cluster's records into the name server.
    fileprivate func publishNames() throws {
        let changes = try exec(
            "mh1", "covey", "dns", "--format", "nsupdate", "--zone", "example.com", "--server", address(of: "ns"))
        try exec("ns", "nsupdate", "-k", "/etc/bind/covey.key", input: changes.octets)
        let answer = try exec("client", "dig", "+short", "pop.example.com", "A").text
        #expect(Set(answer.split(separator: "\n").map(String.init)) == Set(mailboxes.map(address)))
    }

    fileprivate func startLoad(_ command: String, in folder: String) throws {
        try shell(
            "client",
            """
            mkdir /srv/\(folder); cd /srv/\(folder)
            setsid \(command) </dev/null >said 2>&1 &
            echo $! >pid
            """)
    }

    /// Ends a program; what it said, besides its table of each minute, and the lines of its log.
    fileprivate func endLoad(_ program: String, in folder: String) throws -> (said: String, log: [String]) {
        try shell(
            "client", "pid=$(cat /srv/\(folder)/pid); kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.1; done")
        let said = try shell("client", "grep -Ev '^(time,|[0-9]{2}:[0-9]{2},)' /srv/\(folder)/said || true").line
        let log = try exec("client", "cat", "/srv/\(folder)/\(program).log").text
        return (said, log.split(separator: "\n").map(String.init))
    }

    /// Messages on each server.
    fileprivate func left(of users: [String]) throws -> [Int] {
        try mailboxes.map { server in try users.reduce(0) { try $0 + stored(for: $1, on: server).count } }
    }

    /// How many messages each session removed, by proxy.
    fileprivate func sessions(of users: [String]) -> [[Int]] {
        mailboxes.map { proxy in
            log(of: "covey-pop3d", on: proxy).compactMap { line in
                guard let user = line.firstMatch(of: /session\.user=(\S+@example\.com)/)?.1,
                    users.contains(String(user)),
                    let deleted = line.firstMatch(of: /session\.deleted=([0-9]+)/)?.1
                else { return nil }
                return Int(deleted)
            }
        }
    }
}
