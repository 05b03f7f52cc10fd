import Foundation
import Synchronization

/// A program that a test runs beside itself; killed and reaped when nobody holds it any more.
///
/// By posix_spawn: Foundation's `Process` crashes now and then where many tests start programs at once.
public final class ChildProcess: Sendable {
    public struct Failure: Error, CustomStringConvertible { public var description: String }

    private let processIdentifier: pid_t
    /// The exit status as `waitpid` has it, once the process was reaped.
    private let ended = Mutex<Int32?>(nil)

    /// - Parameters:
    ///   - words: the program, looked up in PATH if it is no path, and its arguments.
    ///   - environment: all of it; nil for the tests' own.
    ///   - input: the file that it reads as standard input.
    ///   - log: what it writes to standard output and standard error is appended to this file.
    public init(
        _ words: [String], environment: [String: String]? = nil,
        input: String = "/dev/null", log: String
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        // NIO's sockets are not close-on-exec: a daemon that has one keeps a connection of the tests open.
        guard let closeFrom = ChildProcess.closeFrom, closeFrom(&actions, STDERR_FILENO + 1) == 0 else {
            throw Failure(description: "\(words): no posix_spawn_file_actions_addclosefrom_np")
        }
        // A thread of ours has signals blocked, and daemons would inherit that: SIGTERM must end them.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var arguments = words.map { strdup($0) } + [nil]
        var variables =
            (environment ?? ProcessInfo.processInfo.environment).map { strdup("\($0)=\($1)") } + [nil]
        defer { for pointer in arguments + variables { free(pointer) } }
        var child = pid_t()
        let code = posix_spawnp(&child, words.first ?? "", &actions, &attributes, &arguments, &variables)
        guard code == 0 else { throw Failure(description: "\(words): \(String(cString: strerror(code)))") }
        processIdentifier = child
    }

    deinit {
        guard isRunning else { return }
        kill(processIdentifier, SIGKILL)
        wait()
    }

    public var isRunning: Bool { reap(WNOHANG) == nil }

    public func send(_ signal: Int32) {
        // A number that was reaped may be another process's: under the lock nobody reaps it.
        ended.withLock { if $0 == nil { kill(processIdentifier, signal) } }
    }

    /// Blocks until the end.
    ///
    /// - Returns: the exit status, or 128 and the signal that ended it, as a shell has it.
    @discardableResult
    public func wait() -> Int32 {
        if isRunning {
            // Without the lock, which others need to look at it and to send signals; it is left to be reaped.
            var information = siginfo_t()
            while waitid(P_PID, id_t(processIdentifier), &information, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
        }
        guard let status = reap(0) else { return -1 }
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }

    private func reap(_ options: Int32) -> Int32? {
        ended.withLock { ended in
            if ended == nil {
                var status: Int32 = 0
                var result: pid_t
                repeat { result = waitpid(processIdentifier, &status, options) } while result < 0 && errno == EINTR
                if result == processIdentifier { ended = status }
            }
            return ended
        }
    }

    /// `posix_spawn_file_actions_addclosefrom_np` (glibc 2.34), which Swift does not import.
    private static let closeFrom: (@convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32)? =
        dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
            unsafeBitCast(
                $0, to: (@convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32).self)
        }
}
