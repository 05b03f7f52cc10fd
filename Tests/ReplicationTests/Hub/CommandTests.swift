import CoveyCore
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// Programs are shell scripts in a directory of their own.
struct ScriptDirectory: ~Copyable {
    let path: String

    init() throws {
        var template = Array("/tmp/covey-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // As in the daemon: a program that does not read its input shall not end us.
        signal(SIGPIPE, SIG_IGN)
    }

    deinit { _ = Command.run(["rm", "-rf", path]) }

    /// Makes a script and returns its path.
    func script(_ name: String, _ lines: String) throws -> String {
        let file = "\(path)/\(name)"
        let written = Command.run(["sh", "-c", "cat >\(file); chmod +x \(file)"], input: "#!/bin/sh\n\(lines)\n")
        try #require(written?.status == 0)
        return file
    }

    func lines(_ name: String) -> [String] {
        (Command.run(["cat", "\(path)/\(name)"])?.output ?? "").split(separator: "\n").map(String.init)
    }
}

@Suite(.timeLimit(.minutes(1))) @BlockingThread struct CommandTests {
    init() { signal(SIGPIPE, SIG_IGN) }

    @Test(arguments: [
        (["cat"], "in", false, Command.Result(status: 0, output: "in")),
        (["sh", "-c", "echo out; echo err >&2; exit 3"], "", false, Command.Result(status: 3, output: "out\n")),
        (["sh", "-c", "echo out; echo err >&2"], "", true, Command.Result(status: 0, output: "out\nerr\n")),
        (["true"], String(repeating: "x", count: 1000), false, Command.Result(status: 0, output: "")),
        (["sh", "-c", "kill -9 $$"], "", false, Command.Result(status: -1, output: "")),
        // Words are words: no shell looks at them.
        (["echo", "$HOME", "a b", ";"], "", false, Command.Result(status: 0, output: "$HOME a b ;\n")),
    ])
    func `a program is run with its words and its input`(
        words: [String], input: String, withErrors: Bool, expected: Command.Result
    ) async {
        #expect(Command.run(words, input: input, withErrors: withErrors) == expected)
    }

    @Test(arguments: [[], ["/nonexistent/program"], ["/tmp"]])
    func `a program that cannot be started is no result`(words: [String]) async {
        #expect(Command.run(words) == nil)
    }

    @Test func `a program that hangs is killed, what it started too`() async {
        let clock = ContinuousClock()
        let start = clock.now
        let result = Command.run(["sh", "-c", "echo begun; sleep 300 & sleep 300"], patience: .milliseconds(300))
        #expect(result == Command.Result(status: -1, output: "begun\n"))
        #expect(clock.now - start < .seconds(10))
    }

    @Test func `signals that a daemon blocks are not blocked for its programs`() async {
        var set = sigset_t()
        var old = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &set, &old)
        let result = Command.run(["sh", "-c", "kill -TERM $$; echo survived"])
        pthread_sigmask(SIG_SETMASK, &old, nil)
        #expect(result?.output == "")
        #expect(result?.status == -1)
    }

    @Test func `a program has none of our files and connections`() throws {
        // Not close-on-exec, as SwiftNIO's sockets are.
        let own = fcntl(open("/dev/null", O_RDONLY | O_CLOEXEC), F_DUPFD, 700)
        try #require(own >= 700)
        defer { close(own) }
        #expect(Command.run(["test", "-e", "/proc/self/fd/\(own)"])?.status == 1)
        #expect(Command.run(["test", "-e", "/proc/self/fd/0"])?.status == 0)
    }

    @Test func `programs that take long take no thread from the tasks`() async throws {
        let directory = try ScriptDirectory()
        let file = directory.path + "/go"
        let results = await withTaskGroup(of: Command.Result?.self, returning: [Int32?].self) { group in
            for _ in 0..<16 {
                group.addTask {
                    await Command.runAside(
                        ["sh", "-c", "until [ -e \(file) ]; do sleep 0.05; done"], patience: .seconds(40))
                }
            }
            // They end when this task, which needs a thread as they do, has had its turns.
            group.addTask {
                for _ in 0..<20 { try? await Task.sleep(for: .milliseconds(5)) }
                return await Command.runAside(["touch", file])
            }
            var results: [Int32?] = []
            for await result in group { results.append(result?.status) }
            return results
        }
        #expect(results == Array(repeating: 0, count: 17))
    }
}

@Suite(.timeLimit(.minutes(1))) @BlockingThread struct QueueFlushTests {
    @Test func `the command runs for each domain of the cluster, words filled in`() async throws {
        let directory = try ScriptDirectory()
        let script = try directory.script("flush", "echo \"$@\" >>\(directory.path)/calls")
        let flush = QueueFlush(
            command: [script, "-s", "{domain}.{server}.covey.invalid"], domains: ["example.com", "example.net"],
            logger: quiet)
        await flush.run(server: "b")
        #expect(directory.lines("calls") == ["-s example.com.b.covey.invalid", "-s example.net.b.covey.invalid"])
    }

    @Test func `after a server's return the command runs again, for what was just being tried`() async throws {
        let directory = try ScriptDirectory()
        let script = try directory.script("flush", "echo \"$@\" >>\(directory.path)/calls")
        let pauses = Mutex<[Duration]>([])
        let flush = QueueFlush(command: [script, "{domain}"], domains: ["x"], logger: quiet) { duration in
            pauses.withLock { $0.append(duration) }
        }
        await flush.runRepeatedly(server: "a")
        #expect(directory.lines("calls") == ["x", "x", "x", "x", "x", "x"])
        #expect(
            pauses.withLock { $0.contains(.seconds(15)) && $0.contains(.seconds(60)) && $0.contains(.seconds(180)) })
    }

    @Test func `one domain's failure is not the others', and a server that flaps waits`() async throws {
        let directory = try ScriptDirectory()
        let script = try directory.script("flush", "echo \"$1\" >>\(directory.path)/calls; [ $1 != x ]")
        let pauses = Mutex<[Duration]>([])
        // Time stands still: on a busy machine the runs themselves may take longer than the pauses.
        let start = ContinuousClock.now
        let flush = QueueFlush(
            command: [script, "{domain}"], domains: ["x", "y"], logger: quiet,
            pause: { duration in pauses.withLock { $0.append(duration) } }, now: { start })
        await flush.run(server: "a")
        await flush.run(server: "b")
        #expect(pauses.withLock { $0 } == [], "another server need not wait")
        await flush.run(server: "a")
        await flush.run(server: "a")
        // One after the other, ten seconds apart.
        #expect(pauses.withLock { $0 } == [.seconds(10), .seconds(20)])
        #expect(directory.lines("calls") == ["x", "y", "x", "y", "x", "y", "x", "y"])
    }
}

@Suite(.timeLimit(.minutes(1))) @BlockingThread struct LeftToMTATests {
    /// Does as postmap(1): keys on standard input, exit status 1 and no word when none is there.
    static let postmap =
        "echo \"$3\" >>$(dirname $0)/asked; cat >$(dirname $0)/keys; grep -qxF -f $(dirname $0)/keys \"$3\""

    private func address(_ text: String) throws -> MailboxAddress { try #require(MailboxAddress(typed: text)) }

    /// Postfix's own order is virtual(5)'s; the bare names count where the domain is $myorigin.
    @Test(arguments: [
        ("u1@example.com", ["u1@example.com", "u1", "@example.com"]),
        (
            "u1+x@example.com",
            ["u1+x@example.com", "u1@example.com", "u1+x", "u1", "@example.com"]
        ),
        ("+x@example.com", ["+x@example.com", "+x", "@example.com"]),
        ("\"a@b\"@example.com", ["\"a@b\"@example.com", "\"a@b\"", "@example.com"]),
    ])
    func `what is looked up is what Postfix would look up`(address: String, keys: [String]) async {
        #expect(LeftToMTA.keys(for: address) == keys)
    }

    @Test(arguments: [
        ("<boss@example.com>", true), ("<Boss@Example.com>", true), ("<boss+x@example.com>", true),
        ("<boss-x@example.com>", true), ("<anyone@example.net>", true), ("<u1@example.com>", false),
        ("<bos@example.com>", false), ("<xboss@example.com>", false),
    ])
    func `an address that a table knows is left to the MTA`(typed: String, expected: Bool) async throws {
        let directory = try ScriptDirectory()
        let program = try directory.script("postmap", Self.postmap)
        let first = try directory.script("first", "sec@example.com")
        let second = try directory.script("second", "boss@example.com\n@example.net")
        let tables = LeftToMTA(tables: [first, second], logger: quiet, program: program)
        #expect(tables.contains(try address(typed)) == expected)
    }

    @Test(arguments: ["echo 'fatal: open database' >&2; exit 1", "exit 2", "kill -9 $$"])
    func `a table that cannot be asked knows everybody, and is asked again`(lines: String) async throws {
        let directory = try ScriptDirectory()
        let program = try directory.script("postmap", "echo x >>$(dirname $0)/asked; cat >/dev/null; \(lines)")
        let tables = LeftToMTA(tables: ["hash:/x"], logger: quiet, program: program)
        #expect(tables.contains(try address("<u1@example.com>")))
        #expect(tables.contains(try address("<u1@example.com>")))
        #expect(directory.lines("asked").count == 2)
        let missing = LeftToMTA(tables: ["hash:/x"], logger: quiet, program: "/nonexistent/postmap")
        #expect(missing.contains(try address("<u1@example.com>")))
    }

    @Test func `a warning of postmap is no failure`() async throws {
        let directory = try ScriptDirectory()
        let warning = "postmap: warning: database /etc/x.db is older than source file /etc/x"
        let program = try directory.script("postmap", "cat >/dev/null; echo '\(warning)' >&2; exit 1")
        let tables = LeftToMTA(tables: ["hash:/etc/x"], logger: quiet, program: program)
        #expect(!tables.contains(try address("<u1@example.com>")))
    }

    @Test func `answers are kept for a minute, and without tables nobody is asked`() async throws {
        let directory = try ScriptDirectory()
        let program = try directory.script("postmap", Self.postmap)
        let table = try directory.script("table", "sec@example.com")
        let clock = HandClock()
        let tables = LeftToMTA(tables: [table], logger: quiet, program: program) { clock.now }
        for seconds in [0, 59] {
            clock.advance(.seconds(seconds))
            #expect(!tables.contains(try address("<u1@example.com>")))
            #expect(directory.lines("asked").count == 1)
        }
        clock.advance(.seconds(2))
        #expect(!tables.contains(try address("<u1@example.com>")))
        #expect(directory.lines("asked").count == 2)
        #expect(
            !LeftToMTA(tables: [], logger: quiet, program: "/nonexistent").contains(try address("<u1@example.com>")))
    }
}

@Suite(.timeLimit(.minutes(1))) @BlockingThread struct DiscardPolicyTests {
    nonisolated static let quietMain = "always_bcc =\nsender_bcc_maps = \nmyhostname = mh1.example.com\n"

    @Test(
        arguments: [
            (quietMain, "", nil),
            (
                quietMain,
                "smtp/inet/smtpd_recipient_restrictions = check_recipient_access regexp:/etc/postfix/covey/refuse", nil
            ),
            (quietMain + "smtpd_client_restrictions = permit_mynetworks, reject\n", "", nil),
            (quietMain + "always_bcc = archive@example.com\n", "", "always_bcc is set"),
            (quietMain + "recipient_bcc_maps = hash:/etc/postfix/bcc\n", "", "recipient_bcc_maps is set"),
            (quietMain, "submission/inet/sender_bcc_maps = hash:/x", "sender_bcc_maps is set"),
            (quietMain + "header_checks = regexp:/x\n", "", "header_checks is set"),
            (quietMain + "milter_header_checks = regexp:/x\n", "", "milter_header_checks is set"),
            (
                quietMain + "smtpd_sender_restrictions = permit, check_sender_access hash:/x\n", "",
                "smtpd_sender_restrictions has check_sender_access"
            ),
            (
                quietMain + "smtpd_data_restrictions = check_policy_service unix:private/policy\n", "",
                "smtpd_data_restrictions has check_policy_service"
            ),
            (quietMain + "strict_class = check_client_access cidr:/x\n", "", "strict_class has check_client_access"),
            ("", "", "postconf cannot be run"),
        ] as [(String, String, String?)])
    func `settings that need the message forbid DISCARD`(main: String, services: String, obstacle: String?) async {
        #expect(DiscardPolicy.obstacle(main: main, services: services) == obstacle)
    }

    @Test func `without an answer nothing is discarded`() async {
        #expect(DiscardPolicy.obstacle(main: nil, services: "") != nil)
        #expect(DiscardPolicy.obstacle(main: Self.quietMain, services: nil) != nil)
    }

    nonisolated static let sendmail = """
        O DaemonPortOptions=Family=inet,  Name=MTA-v4, Port=smtp
        O DaemonPortOptions=Name=COVEY, Family=inet, Addr=127.0.0.1, Port=10035, InputMailFilters=covey, M=ACESu
        O InputMailFilters=covey
        #O AddBcc=true
        O Milter.macros.eom={msg_id}, {quarantine}

        """

    @Test(
        arguments: [
            (sendmail, nil), ("", "InputMailFilters does not name covey"),
            (
                sendmail.replacing("O InputMailFilters=covey", with: "O InputMailFilters=archive, covey"),
                "the filter archive may add recipients"
            ),
            (
                sendmail + "O DaemonPortOptions=Name=X, I=archive;covey\n",
                "the filter archive may add recipients"
            ),
            (sendmail.replacing(", {quarantine}", with: ""), "Milter.macros.eom lacks {quarantine}"),
            (sendmail + "O AddBcc=true\n", "AddBcc is set"),
        ] as [(String, String?)])
    func `what Sendmail owes to others forbids DISCARD`(configuration: String, obstacle: String?) {
        #expect(DiscardPolicy.obstacle(sendmail: configuration) == obstacle)
    }

    @Test func `without Postfix the policy follows Sendmail's configuration`() async throws {
        let directory = try ScriptDirectory()
        let file = try directory.script("sendmail.cf", Self.sendmail)
        let policy = DiscardPolicy(logger: quiet, program: "/nonexistent/postconf", sendmailConfiguration: file)
        await policy.refresh()
        #expect(policy.mayDiscard)
        _ = try directory.script("sendmail.cf", Self.sendmail + "O AddBcc=true\n")
        await policy.refresh()
        #expect(!policy.mayDiscard)
    }

    @Test func `the policy follows the configuration`() async throws {
        let directory = try ScriptDirectory()
        let script = try directory.script("postconf", "[ $1 = -x ] && cat $(dirname $0)/main; exit 0")
        _ = try directory.script("main", "always_bcc =")
        let policy = DiscardPolicy(logger: quiet, program: script)
        #expect(!policy.mayDiscard, "nobody was asked yet")
        await policy.refresh()
        #expect(policy.mayDiscard)
        _ = try directory.script("main", "always_bcc = archive@example.com")
        await policy.refresh()
        #expect(!policy.mayDiscard)
        let missing = DiscardPolicy(
            logger: quiet, program: "/nonexistent/postconf", sendmailConfiguration: "/nonexistent/sendmail.cf")
        await missing.refresh()
        #expect(!missing.mayDiscard)
    }
}
