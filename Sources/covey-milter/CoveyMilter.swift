import ArgumentParser
import CoveyCore
import Glibc
import Logging
import Milter
import Replication

/// The hub's daemon: reads the configuration, binds the milter socket, gives up root, serves the MTA until it is told
/// to stop.
@main
struct CoveyMilter: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "covey-milter",
        abstract: "Milter that stores each message on all mailbox servers before its sender hears 250.",
        discussion: """
            Stays in the foreground and logs to standard error. SIGTERM lets deliveries under way end first, for a minute \
            at most; SIGHUP stops, too. SIGUSR1 reads the configuration anew.
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

    /// How long deliveries under way may go on after SIGTERM, seconds; systemd kills after 90.
    private static let grace = 60

    func run() throws {
        do {
            try serve()
        } catch let failure as StartFailure {
            Machine.complain("covey-milter: \(failure)")
            throw ExitCode(78)  // EX_CONFIG of sysexits.h, as covey check has it: a restart would not help
        }
    }

    private func serve() throws {
        // Before any thread is made: libmilter waits for these in a thread of its own, and all others must leave them
        // to it.
        CoveyMilter.blockSignals([SIGHUP, SIGTERM, SIGINT])
        ReloadSignal.prepare()
        let isVerbose = verbose
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = isVerbose ? .debug : .info
            return handler
        }
        let logger = Logger(label: "covey-milter")
        let maker = HubMaker(file: config, host: host, logger: logger)
        let configuration = try maker.read()
        let user = try SystemUser.toBecome(configuration.milter.user, key: "milter.user")
        guard !check else {
            print("\(config): good")
            return
        }

        signal(SIGPIPE, SIG_IGN)
        let files = Machine.raiseDescriptorLimit(to: 8192)
        let hub = CurrentHub(try maker.make(configuration))
        let monitor = HubMonitor(current: hub, logger: logger)
        monitor.start(at: configuration.monitor.listen(for: .milter))
        try listen(configuration.milter.socket, as: user, hub: hub)
        let reload = Reload(maker: maker, current: hub, logger: logger)
        logger.notice(
            "ready",
            metadata: [
                "socket": "\(configuration.milter.socket)", "user": "\(user?.name ?? "unchanged")",
                "servers": "\(configuration.mailboxes.map(\.name).joined(separator: ","))", "open.files": "\(files)",
            ])
        let manager = ServiceManager()
        manager.tell(.ready, status: CoveyMilter.status(hub))
        Task.detached {
            while true {
                await maker.discardPolicy.refresh()
                try? await Task.sleep(for: .seconds(60))
            }
        }
        Task.detached { await maker.queueWatch.run() }
        let signal = ReloadSignal {
            manager.tell(.reloading, status: "reads the configuration")
            reload.run()
            manager.tell(.ready, status: CoveyMilter.status(hub))
        }
        try withExtendedLifetime((monitor, signal)) { try MilterServer.run() }
        manager.tell(.stopping, status: "deliveries under way end first: \(hub.deliveriesInFlight)")
        drain(hub, logger: logger)
    }

    /// For `systemctl status`.
    private static func status(_ hub: CurrentHub) -> String {
        let configuration = hub.now.configuration
        return "stores on \(configuration.mailboxes.map(\.name).joined(separator: ", ")) "
            + "for \(configuration.cluster.domains.joined(separator: ", "))"
    }

    /// Binds the socket as root, gives it to the user, and becomes that user.
    private func listen(_ socket: String, as user: SystemUser?, hub: CurrentHub) throws {
        if let path = CoveyMilter.path(of: socket), LocalSocket.isListening(at: path) {
            throw StartFailure(
                "milter.socket: another program listens on \(path); end it first (another covey-milter?)")
        }
        // libmilter does no chmod: the umask at bind decides who may connect (facts 2).
        umask(0o007)
        try MilterServer.open(.init(name: "covey", socket: socket, unanswered: HubSession.unanswered)) {
            HubSession(hub: hub)
        }
        if let user, let path = CoveyMilter.path(of: socket) { try user.own(socket: path) }
        try user?.become()
        umask(0o077)
    }

    /// The file of a socket in the file system; nil for `inet:`.
    private static func path(of socket: String) -> String? {
        for prefix in ["unix:", "local:"] where socket.hasPrefix(prefix) {
            return String(socket.dropFirst(prefix.count))
        }
        return socket.hasPrefix("/") ? socket : nil
    }

    private static func blockSignals(_ signals: [Int32]) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// libmilter returns while callbacks still run: a delivery that has begun shall end, so that its sender hears.
    private func drain(_ hub: CurrentHub, logger: Logger) {
        logger.notice("stopping", metadata: ["deliveries": "\(hub.deliveriesInFlight)"])
        for _ in 0..<(CoveyMilter.grace * 10) where hub.deliveriesInFlight > 0 { usleep(100_000) }
        // The last answer leaves libmilter's thread after our callback returned.
        usleep(50_000)
        logger.notice("stopped", metadata: ["deliveries.cut": "\(hub.deliveriesInFlight)"])
    }
}
