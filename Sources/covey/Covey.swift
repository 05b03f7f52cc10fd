import ArgumentParser
import CoveyCore
import Glibc

/// The operator's command.
@main
struct Covey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "covey",
        abstract: "Look after a Covey cluster.",
        discussion:
            """
            The configuration is one file, the same on every host: cluster.toml(5). The daemons are covey-milter(8) on the \
            hubs and covey-pop3d(8) on the proxies; this command needs neither to run.
            """,
        subcommands: [
            Check.self, DNS.self, Journal.self, Keygen.self, Postfix.self, Resync.self, Sendmail.self, Status.self,
        ])
}

/// Options that every command with a configuration has.
struct ConfigurationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The cluster's configuration.", valueName: "file"))
    var config = "/etc/covey/cluster.toml"

    /// The configuration; ends the program with EX_CONFIG and every problem on standard error when it is not valid.
    ///
    /// - Parameter needs: what must be there beyond what every program needs.
    func load(
        needs: Set<ConfigurationLoader.Need> = [], certificateCheck: CertificateCheck? = nil
    ) throws -> ClusterConfiguration {
        do {
            return try ConfigurationLoader.load(path: config, needs: needs, certificateCheck: certificateCheck)
        } catch {
            complain(error.description)
            throw ExitCode(EX_CONFIG)
        }
    }
}

/// Writes a line to standard error.
func complain(_ text: String) {
    var line = Array("\(text)\n".utf8)[...]
    while !line.isEmpty {
        let count = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        guard count > 0 else { return }
        line = line.dropFirst(count)
    }
}
