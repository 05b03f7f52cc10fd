public import ArgumentParser
public import CoveyCore
import Glibc

struct Sendmail: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what a hub's Sendmail must be told; sendmail/README.md says how to install it.",
        discussion: "Each piece has its reason above it. Nothing is changed. Run it on the hub itself.")

    @OptionGroup var options: ConfigurationOptions

    @Option(help: "The hub's name in the configuration. (default: this machine's host name up to the first dot)")
    var host: String?

    @Option(help: "Print the text of one file only: mc, mailertable or cluster.")
    var part: SendmailSettings.Part?

    func run() throws {
        let cluster = try options.load()
        let hub = try cluster.ownHub(given: host, file: options.config)
        // Its mailers take TLS where it is offered, and go in clear where it is not.
        if let server = cluster.mailboxes.first(where: { $0.tls != .none }) {
            complain(
                "\(options.config): mailbox[\(server.name)].tls: Sendmail cannot be made to send missing copies by TLS "
                    + "alone; use Postfix on this hub, or tls = \"none\" on a network that you trust")
            throw ExitCode(EX_CONFIG)
        }
        let settings = SendmailSettings(cluster, hub: hub.name)
        print(part.map { settings.text($0) } ?? settings.text, terminator: "")
    }
}

extension SendmailSettings.Part: ExpressibleByArgument {}
