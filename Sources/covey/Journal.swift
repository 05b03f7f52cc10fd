import ArgumentParser
import CoveyCore
import Glibc
import Logging
import MailNet
import NIOPosix
import Replication

struct Journal: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show or compact the journal of deletions.",
        discussion: """
            The journal is the mailbox journal.mailbox on every mailbox server. Each command reads all of them once, with \
            the journal's password, and needs no running daemon.
            """,
        subcommands: [JournalList.self, JournalShow.self, JournalCompact.self])
}

/// Options of all commands that read the journals.
struct JournalOptions: ParsableArguments {
    @OptionGroup var options: ConfigurationOptions

    @Option(help: ArgumentHelp("Only the journal of this mailbox server; may be repeated.", valueName: "name"))
    var server: [String] = []

    /// The journals, not read yet.
    func open() throws -> JournalKeeper {
        var cluster = try options.load()
        try keep(server, of: &cluster, file: options.config)
        return try JournalKeeper.forOperator(cluster, file: options.config)
    }

    private func keep(_ names: [String], of cluster: inout ClusterConfiguration, file: String) throws {
        let known = cluster.mailboxes.map(\.name)
        for name in names where !known.contains(name) {
            throw CleanExitError(
                description: "--server \(name): no such mailbox server in \(file); it has: "
                    + known.joined(separator: ", "))
        }
        if !names.isEmpty { cluster.mailboxes.removeAll { !names.contains($0.name) } }
    }
}

extension JournalKeeper {
    /// For one command: nothing is logged but what goes wrong.
    static func forOperator(_ cluster: ClusterConfiguration, file: String) throws -> JournalKeeper {
        guard let password = cluster.journal.password else {
            throw CleanExitError(
                description: "\(cluster.journal.passwordFile): cannot be read; it must hold the password of "
                    + "\(cluster.journal.mailbox) (journal.password_file in \(file)). Run as root or the user covey")
        }
        let host = "covey"
        return JournalKeeper(
            stores: try JournalMailbox.all(
                of: cluster, password: password, host: host, group: MultiThreadedEventLoopGroup.singleton),
            key: cluster.cluster.key, settings: .init(cluster, host: host),
            logger: Logger(label: "covey") { _ in SwiftLogNoOpLogHandler() }, wallClock: { time(nil) })
    }
}

/// One line for each journal, on standard error: standard output has the entries alone.
func tellOfJournals(_ surveys: [JournalKeeper.Survey]) {
    for survey in surveys {
        var line = "journal on \(survey.server): "
        if let failure = survey.failure {
            line += "cannot be read: \(failure)"
        } else {
            line += "\(survey.messages) messages, \(survey.deletions) deletions, last heartbeat "
            line += survey.lastTouch.map(timeText) ?? "none"
            if survey.foreign > 0 { line += "; \(survey.foreign) messages are not ours and have no effect" }
            if survey.hasLostTouch {
                line +=
                    "; LOST TOUCH: what only this server holds is not shown; "
                    + "run: covey resync --to \(survey.server)"
            }
        }
        complain(line)
    }
}

/// RFC 3339, UTC.
func timeText(_ time: Int) -> String {
    var seconds = time_t(time)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
        + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
}
