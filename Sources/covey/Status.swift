import ArgumentParser
import CoveyCore
import Glibc
import MailNet
import NIOCore
import NIOPosix

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask all daemons and mailbox servers how they are, and print one table.",
        discussion: """
            covey-milter is asked at monitor.listen on each hub, covey-pop3d at the port after it on each proxy. Where \
            monitor.listen is a loopback address, only the daemons of this host can be asked; what they cannot tell is \
            found out by asking the mailbox servers' ports from here, without a login and without mail.

            Ends with 0 when everything that was asked is as it should be, with 1 when something is not, and with 2 when \
            mail can be neither taken nor read: no hub, no proxy, or no mailbox server works.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case table, json }

    @OptionGroup var options: ConfigurationOptions

    @Option(
        help: ArgumentHelp(
            "This host's name in the configuration (default: the machine's own host name).", valueName: "name"))
    var host: String?

    @Option(help: "table, or json for programs.")
    var format = Format.table

    @Option(help: ArgumentHelp("How long to wait for each answer.", valueName: "seconds"))
    var patience = 5

    func validate() throws {
        guard (1...60).contains(patience) else { throw ValidationError("--patience takes 1 to 60 seconds") }
    }

    func run() async throws {
        let survey = ClusterSurvey(
            configuration: try options.load(), here: String((host ?? Machine.name).lowercased().prefix { $0 != "." }),
            patience: .seconds(Int64(patience)))
        let status = await survey.run()
        print(format == .table ? status.table : status.json, terminator: "")
        if status.exitStatus != 0 { throw ExitCode(status.exitStatus) }
    }
}

/// Asks everybody at once.
private struct ClusterSurvey: Sendable {
    let configuration: ClusterConfiguration
    /// This host's name in the configuration, if it has one.
    let here: String
    let patience: TimeAmount
    var group: any EventLoopGroup { MultiThreadedEventLoopGroup.singleton }

    private struct Asked: Hashable, Sendable {
        var server: String
        var port: ClusterStatus.Port
    }

    func run() async -> ClusterStatus {
        async let daemons = askDaemons()
        async let ports = askPorts()
        let answers = await ports
        return ClusterStatus(daemons: await daemons, servers: configuration.mailboxes.map(\.name)) { server, port in
            answers[Asked(server: server, port: port)] ?? .notAsked
        }
    }

    // MARK: daemons

    private func askDaemons() async -> [ClusterStatus.Daemon] {
        let wanted =
            configuration.hubs.map { ($0.name, $0.addresses, DaemonStatus.Daemon.milter) }
            + configuration.proxies.map { ($0.name, $0.addresses, DaemonStatus.Daemon.pop3d) }
        return await withTaskGroup(of: (Int, ClusterStatus.Daemon).self) { group in
            for (place, (host, addresses, daemon)) in wanted.enumerated() {
                group.addTask {
                    (place, .init(host: host, daemon: daemon, answer: await ask(daemon, of: host, addresses)))
                }
            }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func ask(
        _ daemon: DaemonStatus.Daemon, of host: String, _ addresses: [IPAddress]
    ) async -> ClusterStatus.Answer {
        let endpoints = configuration.monitor.endpoints(for: daemon, addresses: addresses, isHere: host == here)
        guard !endpoints.isEmpty else {
            return .notAsked(configuration.monitor.whyNotAsked(daemon, on: host))
        }
        var failure = ""
        for endpoint in endpoints {
            do {
                let octets = try await MonitorClient.get(
                    "/status.json", at: endpoint, patience: patience, group: group)
                guard let status = DaemonStatus(json: octets), status.daemon == daemon else {
                    failure = "\(endpoint): what answers there is not \(daemon.rawValue)"
                    continue
                }
                guard status.host == host else {
                    failure = "\(endpoint): what answers there says that it is \(status.host)"
                    continue
                }
                return .status(status)
            } catch {
                failure = "\(endpoint): \(error)"
            }
        }
        return .none(failure)
    }

    // MARK: ports

    private func askPorts() async -> [Asked: ClusterStatus.ProbeResult] {
        await withTaskGroup(of: (Asked, ClusterStatus.ProbeResult).self) { tasks in
            for server in configuration.mailboxes {
                tasks.addTask {
                    let result = await ServerPorts.delivery(
                        of: server, recipient: configuration.journal.mailbox, heloName: Machine.name,
                        patience: patience, group: group)
                    return (Asked(server: server.name, port: .delivery), result)
                }
                tasks.addTask {
                    let result = await ServerPorts.pop3(of: server, patience: patience, group: group)
                    return (Asked(server: server.name, port: .pop3), result)
                }
            }
            return await tasks.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }
}
