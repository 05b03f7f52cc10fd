import CMilter
import Glibc
import Synchronization

/// Runs libmilter: opens the socket, serves MTAs until a signal ends it.
///
/// libmilter keeps its state in globals, so there is one server in a process.
public enum MilterServer {
    /// How the filter introduces itself.
    public struct Settings: Sendable {
        /// The filter's name in the MTA's log.
        public var name: String
        /// `unix:/path` or `inet:port@host`.
        public var socket: String
        /// Steps the MTA need not wait for.
        public var unanswered: MilterSteps
        /// How long libmilter waits for the MTA, seconds: longer than an SMTP client may take between two commands.
        public var timeout: Int

        public init(name: String, socket: String, unanswered: MilterSteps, timeout: Int = 7200) {
            self.name = name
            self.socket = socket
            self.unanswered = unanswered
            self.timeout = timeout
        }
    }

    public struct StartError: Error, CustomStringConvertible {
        public var description: String
    }

    struct Running: Sendable {
        var unanswered: MilterSteps
        var makeSession: @Sendable () -> any MilterSession
    }
    static let running = Mutex<Running?>(nil)

    /// Registers the filter and binds its socket; what the umask forbids, the socket forbids. Call once, before `run`.
    public static func open(_ settings: Settings, session: @escaping @Sendable () -> any MilterSession) throws {
        running.withLock { $0 = Running(unanswered: settings.unanswered, makeSession: session) }
        // libmilter keeps the name's pointer: it is never freed.
        guard let name = strdup(settings.name) else { throw StartError(description: "out of memory") }
        var filter = smfiDesc()
        filter.xxfi_name = name
        filter.xxfi_version = SMFI_VERSION
        filter.xxfi_flags = UInt(SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_ADDRCPT_PAR | SMFIF_DELRCPT)
        Callbacks.install(in: &filter)
        guard smfi_register(filter) == MI_SUCCESS else { throw StartError(description: "smfi_register failed") }
        _ = smfi_settimeout(Int32(settings.timeout))
        let socket = settings.socket
        guard socket.withCString({ smfi_setconn(UnsafeMutablePointer(mutating: $0)) }) == MI_SUCCESS else {
            throw StartError(description: "milter.socket \"\(socket)\": not a socket that libmilter knows")
        }
        // 1: a socket file that a killed predecessor left behind is removed first.
        guard smfi_opensocket(1) == MI_SUCCESS else {
            let reason = String(cString: strerror(errno))
            throw StartError(description: "milter.socket \"\(socket)\": cannot listen there: \(reason)")
        }
    }

    /// Serves until SIGTERM, SIGINT or SIGHUP. May return while callbacks still run.
    public static func run() throws {
        guard smfi_main() == MI_SUCCESS else { throw StartError(description: "libmilter stopped with an error") }
    }
}
