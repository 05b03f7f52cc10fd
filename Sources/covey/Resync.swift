import ArgumentParser
import CoveyCore
import Glibc
import Logging
import MailNet
import NIOCore
import NIOPosix
import Replication

struct Resync: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring one mailbox server up to date from the others.",
        discussion: """
            For a server that is empty, was restored from a backup, or was away for long. Reads every user's maildrop on all \
            servers by POP3 with a Dovecot master user (login USER*MASTER), adds by LMTP what the server lacks, and removes \
            what the journal names. What only that server holds is told; --prune removes it. May be broken off and run \
            again.

            With --all, when all of them are done, the journal on the server is marked: it is in touch again.

            Ends with 0 when the server holds what the others hold, else with 1.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: ArgumentHelp("The mailbox server to bring up to date.", valueName: "server"))
    var to: String

    @Option(help: ArgumentHelp("Only this user's maildrop; the server is not marked.", valueName: "address"))
    var user: String?

    @Flag(help: "All users of the list given by --users.")
    var all = false

    @Option(
        help: ArgumentHelp(
            "With --all: file with one user on a line, as doveadm user '*' prints it; - is standard input.",
            valueName: "file"))
    var users: String?

    @Option(help: ArgumentHelp("Name of the master user, the same on all servers.", valueName: "name"))
    var master: String

    @Option(help: ArgumentHelp("File with the master user's password.", valueName: "file"))
    var passwordFile: String

    @Option(help: ArgumentHelp("Dovecot's auth_master_user_separator.", valueName: "character"))
    var separator = "*"

    @Flag(help: "Change nothing; print each user's differences.")
    var dryRun = false

    @Flag(help: "Remove messages that only this server holds.")
    var prune = false

    @Flag(help: "Mark the server although it holds messages that no other does: they are shown again.")
    var keep = false

    func validate() throws {
        guard (user != nil) != all else { throw ValidationError("give --user ADDRESS, or --all with --users FILE") }
        guard all == (users != nil) else {
            throw ValidationError(
                "--all needs --users FILE: POP3 has no list of users; for instance: doveadm user '*' | covey resync ... "
                    + "--all --users -")
        }
        guard !(prune && keep) else { throw ValidationError("--prune and --keep exclude each other") }
    }

    func run() async throws {
        let cluster = try options.load()
        guard let target = cluster.mailboxes.firstIndex(where: { $0.name == to }) else {
            throw CleanExitError(
                description: "--to \(to): no such mailbox server in \(options.config); it has: "
                    + cluster.mailboxes.map(\.name).joined(separator: ", "))
        }
        let list = try userList(cluster)
        let keeper = try JournalKeeper.forOperator(cluster, file: options.config)
        let surveys = await keeper.survey()
        // A deletion that cannot be read would bring a message back: only journals of servers that are gone may lack.
        guard surveys[target].failure == nil else {
            throw CleanExitError(description: "journal on \(to) cannot be read: \(surveys[target].failure ?? "")")
        }
        let readable = surveys.indices.filter { $0 != target && surveys[$0].failure == nil }
        let sources = readable.filter { !surveys[$0].hasLostTouch }
        guard !sources.isEmpty else {
            tellOfJournals(surveys)
            throw CleanExitError(description: "no other server is in touch and can be read: nothing to copy from")
        }
        for index in surveys.indices where index != target && !sources.contains(index) {
            complain("\(surveys[index].server) is left out: \(surveys[index].failure ?? "it has lost touch itself")")
        }
        let resync = Replication.Resync(
            target: try maildrops(target, of: cluster), sources: try sources.map { try maildrops($0, of: cluster) },
            key: cluster.cluster.key, options: .init(isDryRun: dryRun, prunes: prune),
            deletedIDs: { user in
                await keeper.refresh()
                return await keeper.knownDeletions(of: user)
            })
        let totals = await work(list, with: resync)
        try await conclude(totals, keeper: keeper)
    }

    // MARK: what is to be done

    private func userList(_ cluster: ClusterConfiguration) throws -> [String] {
        var names: [String] = []
        if let user {
            names = [user]
        } else if users == "-" {
            while let line = readLine() { names.append(line) }
        } else if let users {
            let contents = try SystemFiles().read(users, limit: 1 << 28)
            names = String(decoding: contents.octets, as: UTF8.self).split(whereSeparator: \.isNewline).map {
                String($0)
            }
        }
        var seen: Set<String> = [cluster.journal.mailbox.lowercased()]
        let list = names.map {
            LoginName.mailbox(for: String($0.filter { !$0.isWhitespace }), defaultDomain: cluster.pop3.defaultDomain)
        }
        .filter { !$0.isEmpty && seen.insert($0).inserted }
        guard !list.isEmpty else { throw CleanExitError(description: "\(users ?? ""): names no user") }
        return list
    }

    private func maildrops(_ server: Int, of cluster: ClusterConfiguration) throws -> MasterMaildrops {
        let contents = try SystemFiles().read(passwordFile, limit: 4_096)
        guard contents.mode & 0o004 == 0 else {
            throw CleanExitError(
                description: "\(passwordFile): can be read by everybody; run: chmod 600 \(passwordFile)")
        }
        let password = String(decoding: contents.octets, as: UTF8.self).prefix { !$0.isNewline }
        guard !password.isEmpty else {
            throw CleanExitError(
                description: "\(passwordFile): holds no password; put the master user's on its first line")
        }
        let group = MultiThreadedEventLoopGroup.singleton
        return MasterMaildrops(
            server: server, settings: try POP3ProxySettings(configuration: cluster, host: "covey"),
            master: .init(name: master, password: Secret(String(password)), separator: separator),
            delivery: try LMTPServer(
                cluster.mailboxes[server], of: cluster, host: "covey",
                replyTimeout: TimeAmount(cluster.milter.deliveryTimeout), group: group),
            group: group)
    }

    // MARK: doing it

    struct Totals {
        var users = 0
        var added = 0
        var removed = 0
        var extra = 0
        var pruned = 0
        var failedUsers = 0
    }

    private func work(_ list: [String], with resync: Replication.Resync) async -> Totals {
        var totals = Totals()
        let bar = ProgressBar(total: list.count)
        for user in list {
            bar.show(totals.users, user)
            let report = await resync.run(user) { bar.show(totals.users, user, messages: ($0, $1)) }
            totals.users += 1
            totals.added += report.added.count
            totals.removed += report.removed.count
            totals.extra += report.extra.count
            totals.pruned += report.pruned.count
            if !report.problems.isEmpty { totals.failedUsers += 1 }
            if report.hasDifferences {
                bar.clear()
                tell(report)
            }
        }
        bar.show(totals.users, "")
        bar.end()
        return totals
    }

    private func tell(_ report: Replication.Resync.Report) {
        let would = dryRun ? "would be " : ""
        var parts: [String] = []
        if !report.added.isEmpty { parts.append("\(report.added.count) \(would)added") }
        if !report.removed.isEmpty { parts.append("\(report.removed.count) \(would)removed (deleted by the user)") }
        if !report.pruned.isEmpty { parts.append("\(report.pruned.count) \(would)pruned") }
        let left = report.extra.filter { !report.pruned.contains($0) }
        if !left.isEmpty { parts.append("\(left.count) only on \(to)") }
        if !report.problems.isEmpty { parts.append("\(report.problems.count) not done") }
        print("\(report.user): \(parts.joined(separator: ", "))")
        if dryRun {
            for id in report.added { print("  + \(id)") }
            for id in report.removed + report.pruned { print("  - \(id)") }
        }
        for id in left { print("  only on \(to): \(id)") }
        for problem in report.problems { complain("\(report.user): \(problem)") }
    }

    private func conclude(_ totals: Totals, keeper: JournalKeeper) async throws {
        let would = dryRun ? "would be " : ""
        print(
            "\(to): \(totals.users) users, \(totals.added) messages \(would)added, \(totals.removed) \(would)removed, "
                + "\(totals.pruned) \(would)pruned, \(totals.extra - totals.pruned) only there, "
                + "\(totals.failedUsers) users not done")
        let left = totals.extra - totals.pruned
        if totals.failedUsers > 0 {
            complain("run it again for what was not done; \(to) is not marked as up to date")
            throw ExitCode(1)
        }
        if left > 0 && !keep {
            complain(
                "\(left) messages are on no other server and in no journal: copies that others lost, or deleted long ago. "
                    + "Look at them, then run again with --prune (they go) or --keep (they are shown again)")
            throw ExitCode(1)
        }
        if dryRun {
            if totals.added + totals.removed + totals.pruned > 0 { throw ExitCode(1) }
            return
        }
        guard all else { return }
        guard await keeper.markResynced(to) else {
            throw CleanExitError(description: "the mark could not be written into the journal on \(to); run it again")
        }
        print("\(to): marked in its journal as up to date")
    }
}

/// A line that is written anew, where standard error is a terminal; nothing elsewhere.
private struct ProgressBar {
    let total: Int
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private static let width = 30

    /// - Parameter total: users, at least one.
    init(total: Int) { self.total = total }

    /// - Parameter messages: how far this user's copying has come.
    func show(_ done: Int, _ user: String, messages: (done: Int, total: Int)? = nil) {
        guard isTerminal else { return }
        let (copied, all) = messages ?? (0, 1)
        let filled = ProgressBar.width * (done * all + copied) / (total * all)
        let words = messages.map { "\(user), message \($0.done) of \($0.total)" } ?? user
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: ProgressBar.width - filled)
        write("\r\u{1B}[K[\(bar)] \(done)/\(total) \(words)")
    }

    func clear() { if isTerminal { write("\r\u{1B}[K") } }

    func end() { if isTerminal { write("\n") } }

    private func write(_ text: String) {
        _ = Array(text.utf8).withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
