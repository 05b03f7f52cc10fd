import Foundation
import TestSupport
import Testing

extension RealServers.MailProgramConnections {
    /// Holds sessions open until its input ends: python3 with their number, the kind of TLS, and whether each is to fetch
    /// a message first. No address has more than a tenth of max_connections.
    private static let holder = """
        import socket, ssl, sys, threading
        count, tls, fetches = int(sys.argv[1]), sys.argv[2] == "implicit", sys.argv[3] == "fetch"
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        held, faults = [], []
        def hold(first):
            for number in range(first, count, 8):
                connection = socket.socket()
                connection.settimeout(60)
                connection.bind(("127.0.1.%d" % (1 + number % 16), 0))
                connection.connect(("127.0.0.1", 995 if tls else 1100))
                if tls: connection = trust.wrap_socket(connection)
                stream = connection.makefile("rb")
                answers = [stream.readline()]
                for words in ["USER u%d@example.org" % (21 + number % 10), "PASS secret"] + ["RETR 1"] * fetches:
                    connection.sendall(words.encode() + b"\\r\\n")
                    answers.append(stream.readline())
                if not all(answer.startswith(b"+OK") for answer in answers): return faults.append(answers)
                while fetches and stream.readline() != b".\\r\\n": pass
                held.append((connection, stream))
        threads = [threading.Thread(target=hold, args=(first,)) for first in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print("holding", len(held), faults[:3], flush=True)
        sys.stdin.read()
        """

    @Test(
        "An idle session on two servers takes at most 40 kB of the proxy's memory, whatever it has fetched before",
        arguments: [(3_000, POP3Program.TLS.none, "fetch"), (500, .implicit, "idle")])
    func idleSessions(count: Int, tls: POP3Program.TLS, fetches: String) throws {
        let lab = try Lab.current
        for server in lab.mailboxes { try Self.serveMany(lab, server) }
        let users = (21...30).map { "u\($0)@example.org" }
        if fetches == "fetch" {
            let large = String(repeating: String(repeating: "m", count: 77) + "\n", count: 4_000)
            for user in users { try lab.deliver([note("To fetch", body: large)], to: user) }
        }
        // A fresh one: pages that earlier sessions left behind shall not hide what these take.
        try lab.stop(.pop3d, on: "a")
        try lab.start(.pop3d, on: "a")
        let before = try Self.ownKiB(lab)
        try lab.exec("a", "sh", "-c", "cat >/srv/hold.py", input: Array(Self.holder.utf8))
        try lab.shell(
            "a",
            """
            rm -f /srv/hold.in; mkfifo /srv/hold.in; ulimit -n 10000
            setsid python3 /srv/hold.py \(count) \(tls) \(fetches) <>/srv/hold.in >/srv/hold.out 2>&1 &
            echo $! >/srv/hold.pid
            """)
        defer { _ = try? lab.shell("a", "kill $(cat /srv/hold.pid)") }
        let said = try lab.wait(
            for: "\(count) sessions", within: 240, { try lab.shell("a", "cat /srv/hold.out").line },
            until: { !$0.isEmpty })
        #expect(said == "holding \(count) []")
        let each = (try Self.ownKiB(lab) - before) * 1_024 / count
        #expect(each <= 40_000, "\(each) octets for each of \(count) sessions")
        print("\(count) idle sessions (\(tls), \(fetches)): \(each) octets of covey-pop3d's memory each")
    }

    /// A process for many sessions, as a site of that size has it; Debian's Dovecot has one for each.
    private static func serveMany(_ lab: Lab, _ server: String) throws {
        try lab.shell(
            server,
            """
            grep -q 'idle sessions' /etc/dovecot/local.conf && exit
            printf '%s\\n' '# idle sessions' 'service pop3 {' ' client_limit = 1000' ' service_count = 0' ' vsz_limit = 2G' '}' \
                'service pop3-login {' ' service_count = 0' ' process_min_avail = 2' '}' >>/etc/dovecot/local.conf
            doveadm reload
            """)
    }

    /// Memory of the proxy on a that is its own, KiB.
    private static func ownKiB(_ lab: Lab) throws -> Int {
        let line = try lab.shell("a", "grep RssAnon /proc/$(cat /run/covey-pop3d.pid)/status").line
        guard let number = line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap({ Int($0) })
        else { throw LabFailure("no number in \(line)") }
        return number
    }
}
