import ArgumentParser
import CoveyCore
import Replication

struct JournalList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Print the deletions that the journals hold, newest first.",
        discussion: """
            A line is: time, user, id, servers whose journals hold it. What the journals are like is said on standard \
            error. Ends with 1 when a journal cannot be read or a server has lost touch.
            """)

    @OptionGroup var journals: JournalOptions

    @Option(help: ArgumentHelp("Only deletions of this user.", valueName: "address"))
    var user: String?

    func run() async throws {
        let keeper = try journals.open()
        let surveys = await keeper.survey()
        tellOfJournals(surveys)
        let wanted = user?.lowercased()
        for item in await keeper.deletions(where: { user, _ in wanted == nil || user == wanted }) {
            print(
                timeText(item.time), item.user, item.id, item.holders.map { surveys[$0].server }.joined(separator: ","))
        }
        if surveys.contains(where: { $0.failure != nil || $0.hasLostTouch }) { throw ExitCode(1) }
    }
}

struct JournalShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print what the journals say of one message or one user.",
        discussion: "Ends with 1 when they say nothing of it.")

    @OptionGroup var journals: JournalOptions

    @Argument(help: "A message's id (cv1...), or a user's mail address.")
    var subject: String

    func run() async throws {
        let keeper = try journals.open()
        let surveys = await keeper.survey()
        tellOfJournals(surveys)
        let wanted = UniqueID(subject)
        let address = subject.lowercased()
        guard wanted != nil || address.contains("@") else {
            throw CleanExitError(description: "\(subject): neither an id (cv1...) nor a mail address")
        }
        let items = await keeper.deletions { user, id in wanted.map { $0 == id } ?? (user == address) }
        let readable = surveys.filter { $0.failure == nil }.map(\.server)
        for item in items {
            let holders = item.holders.map { surveys[$0].server }
            let missing = readable.filter { !holders.contains($0) }
            print("id:      \(item.id)")
            print("user:    \(item.user)")
            print("deleted: \(timeText(item.time))")
            print("on:      \(holders.joined(separator: ", "))")
            if !missing.isEmpty { print("not on:  \(missing.joined(separator: ", "))") }
            print()
        }
        guard !items.isEmpty else {
            complain("no journal names \(subject)")
            throw ExitCode(1)
        }
    }
}

struct JournalCompact: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact", abstract: "Write the union of all journals to each of them, and remove the parts.",
        discussion: """
            Proxies do that by themselves when a journal has more than 1000 messages. The parts are removed only after the \
            union is on the server's disk. Messages that are not ours stay. With --server, only that journal is read and \
            written. Ends with 1 when a journal could not be done.
            """)

    @OptionGroup var journals: JournalOptions

    func run() async throws {
        let keeper = try journals.open()
        let before = await keeper.survey()
        let failed = await keeper.compactAll()
        let after = await keeper.survey()
        for (before, after) in zip(before, after) {
            if failed.contains(before.server) {
                complain("journal on \(before.server): not compacted\(before.failure.map { ": \($0)" } ?? "")")
            } else {
                print(
                    "journal on \(before.server): \(before.messages) messages before, \(after.messages) now, "
                        + "\(after.deletions) deletions")
            }
        }
        if !failed.isEmpty { throw ExitCode(1) }
    }
}
