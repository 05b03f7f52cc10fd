import ArgumentParser
import CoveyCore
import Glibc
import Logging
import MailNet
import NIOPosix
import Replication

/// The POP3 proxy's daemon: reads the configuration, binds, gives up root, serves until it is told to stop.
@main
struct CoveyPOP3D: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "covey-pop3d",
        abstract: "POP3 proxy that shows the mailboxes of all mailbox servers as one.",
        discussion: """
            Stays in the foreground and logs to standard error. SIGTERM lets open sessions go on for 30 seconds at most. \
            SIGUSR1 reads the configuration anew.
            """)

    @Option(name: .long, help: ArgumentHelp("The cluster's configuration.", valueName: "file"))
    var config = "/etc/covey/cluster.toml"

    @Option(
        name: .long,
        help: ArgumentHelp(
            "This host's name in the configuration (default: the machine's own host name).", valueName: "name"))
    var host: String?

    @Flag(name: .long, help: "Check the configuration and exit, with 0 when it is good.")
    var check = false

    @Flag(name: .long, help: "Log at level debug instead of info.")
    var verbose = false

    /// How long open sessions may go on after SIGTERM; systemd kills after 90 s.
    private static let grace = Duration.seconds(30)

    func run() throws {
        do {
            try serve()
        } catch let failure as StartFailure {
            Machine.complain("covey-pop3d: \(failure)")
            throw ExitCode(78)  // EX_CONFIG of sysexits.h, as covey check has it: a restart would not help
        }
    }

    // Not async: an async main ends the first thread, and ps shows its last user, root, for the whole process.
    private func serve() throws {
        ReloadSignal.prepare()
        let isVerbose = verbose
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = isVerbose ? .debug : .info
            return handler
        }
        let logger = Logger(label: "covey-pop3d")
        let configuration = try CoveyPOP3D.readConfiguration(config)
        let hostName = try configuration.ownProxy(given: host, file: config).name
        let user = try SystemUser.toBecome(configuration.pop3.user, key: "pop3.user")
        guard !check else {
            print("\(config): good")
            return
        }

        let settings = try CoveyPOP3D.withReadableCertificates(config) {
            try POP3ProxySettings(configuration: configuration, host: hostName)
        }
        // A write to a connection that the peer has closed is an error like any other, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        let stop = StopSignals()
        CoveyPOP3D.raiseDescriptorLimit(for: settings, logger: logger)

        let group = MultiThreadedEventLoopGroup.singleton
        let journal = try CoveyPOP3D.withReadableCertificates(config) {
            try RunningJournal(configuration, host: hostName, group: group, logger: logger)
        }
        let server = POP3ProxyServer(
            settings: settings, deletionLog: journal ?? NoDeletionLog(), healer: journal?.healer ?? NoHealer(),
            group: group, logger: logger)
        let pop3 = configuration.pop3
        for (key, endpoints, isEncrypted) in [("listen", pop3.listen, false), ("listen_tls", pop3.listenTLS, true)] {
            do {
                try waitFor { try await server.bind(endpoints, tls: isEncrypted) }
            } catch {
                throw StartFailure(
                    "\(config): pop3.\(key): \(error); end the program that uses it, or name another port")
            }
        }
        let reload = ProxyReload(
            configuration, journal, server, file: config, host: host, group: group, logger: logger)
        let monitor = MonitorServer(server, reload, host: hostName, group: group)
        try waitFor { await monitor.start(at: configuration.monitor.listen(for: .pop3d), logger: logger) }
        try user?.become()
        settings.clientTLS?.warnIfUnreadable(logger: logger)
        logger.info(
            "Ready",
            metadata: [
                "host.name": "\(hostName)",
                "servers.preference": "\(settings.preference.map { settings.servers[$0].name })",
                "process.user": "\(user?.name ?? "unchanged")",
            ])

        let manager = ServiceManager()
        manager.tell(.ready, status: reload.status)
        let signal = ReloadSignal {
            manager.tell(.reloading, status: "reads the configuration")
            reload.run()
            manager.tell(.ready, status: reload.status)
        }
        withExtendedLifetime((monitor, signal)) { stop.wait() }
        manager.tell(.stopping, status: "open sessions may go on for \(CoveyPOP3D.grace): \(server.connections)")
        logger.info("Stopping", metadata: ["sessions.open": "\(server.connections)"])
        try waitFor { await server.shutDown(grace: CoveyPOP3D.grace) }
        logger.info("Stopped")
    }

    /// A session takes a connection to each server besides the client's.
    static func raiseDescriptorLimit(for settings: POP3ProxySettings, logger: Logger) {
        let wanted = settings.maxConnections * (1 + settings.servers.count) + 200
        let files = Machine.raiseDescriptorLimit(to: wanted)
        guard files < wanted else { return }
        logger.warning(
            "The limit of open files is too low for pop3.max_connections",
            metadata: ["limit.wanted": "\(wanted)", "limit.now": "\(files)"])
    }

    static func withReadableCertificates<Value>(
        _ config: String, _ body: () throws -> Value
    ) throws -> Value {
        do {
            return try body()
        } catch let error as ServerTLS.UnusableCertificates {
            throw StartFailure("\(config): \(error)")
        } catch let error as CertificateFault {
            throw StartFailure("\(config): \(error)")
        }
    }

    /// - Throws: `StartFailure` with all that is wrong, one line each.
    static func readConfiguration(_ config: String) throws(StartFailure) -> ClusterConfiguration {
        let configuration: ClusterConfiguration
        do throws(ConfigurationErrors) {
            configuration = try ConfigurationLoader.load(
                path: config, needs: [.journalPassword, .authorityFiles, .certificateFiles],
                certificateCheck: ClientTLS.fault)
        } catch {
            throw StartFailure(error.description)
        }
        return configuration
    }
}
