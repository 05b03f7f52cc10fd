import ArgumentParser
import CoveyCore
import MailNet

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say whether the configuration is valid, and what is wrong with it.",
        discussion: """
            Ends with 0 when it is valid. When it is not, ends with 78, and prints every problem on standard error with \
            file, line, key and remedy. No server is asked.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Flag(help: "Print every value in force, with \"# default\" behind what the file does not set.")
    var effective = false

    @Option(help: "What to print of a valid configuration: text, or hosts (its machines and files, for programs).")
    var format = Format.text

    enum Format: String, ExpressibleByArgument { case text, hosts }

    func run() throws {
        var cluster = try options.load(needs: [.authorityFiles])
        // The file is the same everywhere, the certificate's private key is where the proxies are.
        if !cluster.isHubAlone {
            cluster = try options.load(
                needs: [.authorityFiles, .certificateFiles], certificateCheck: ClientTLS.fault)
        }
        if effective {
            print(cluster.effectiveDescription, terminator: "")
            return
        }
        if format == .hosts {
            print(cluster.hostListing, terminator: "")
            return
        }
        print(
            "ok: \(count(cluster.hubs.count, "hub")), \(count(cluster.mailboxes.count, "mailbox server")), "
                + "\(count(cluster.proxies.count, "proxy", "proxies")), "
                + "\(count(cluster.cluster.domains.count, "domain"))")
    }

    private func count(_ number: Int, _ one: String, _ many: String? = nil) -> String {
        number == 1 ? "1 \(one)" : "\(number) \(many ?? one + "s")"
    }
}
