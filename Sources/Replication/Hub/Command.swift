import Glibc
import Synchronization

/// Runs a program and reads what it prints: postmap, postconf, the flush command.
public enum Command {
    public struct Result: Sendable, Equatable {
        /// Exit status, or -1 where the program did not exit by itself.
        public var status: Int32
        public var output: String
    }

    /// How long a program may take: these answer in milliseconds, and mail waits for some of them.
    public static let patience = Duration.seconds(20)

    /// Runs the program and waits for it on this thread; nil when it could not be started. It is killed when it takes
    /// longer than `patience`.
    ///
    /// - Parameters:
    ///   - words: program, looked up in PATH, and its arguments. No shell is involved.
    ///   - input: what the program reads from its standard input: less than a pipe holds (64 KiB). SIGPIPE must be ignored, as
    ///     daemons do, for the case that it reads nothing.
    ///   - withErrors: whether what it says on standard error belongs to the output; else it is dropped.
    public static func run(
        _ words: [String], input: String = "", withErrors: Bool = false, patience: Duration = patience
    ) -> Result? {
        var output: [UInt8] = []
        let status = run(words, input: input, withErrors: withErrors, patience: patience) { output += $0 }
        return status.map { Result(status: $0, output: String(decoding: output, as: UTF8.self)) }
    }

    /// As above, for output of any length: `take` gets it piece by piece. Returns the exit status alone.
    public static func run(
        _ words: [String], input: String = "", withErrors: Bool = false, patience: Duration = patience,
        take: (ArraySlice<UInt8>) -> Void
    ) -> Int32? {
        let deadline = ContinuousClock.now + patience
        guard let child = spawning.withLock({ _ in spawn(words, withErrors: withErrors) }) else { return nil }
        write(all: Array(input.utf8), to: child.input)
        close(child.input)
        readAll(from: child.output, until: deadline, take)
        close(child.output)
        let status = wait(for: child.pid, until: deadline)
        let exited = status & 0x7F == 0
        return exited ? (status >> 8) & 0xFF : -1
    }

    /// As above, on a thread of its own: the threads that run tasks are as few as the machine has cores, and a program
    /// that hangs must not take one from the deliveries.
    public static func runAside(
        _ words: [String], withErrors: Bool = false, patience: Duration = patience
    ) async -> Result? {
        await aside { run(words, withErrors: withErrors, patience: patience) } ?? nil
    }

    /// Runs blocking work on a thread of its own; nil when there is none to be had.
    static func aside<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
        await withCheckedContinuation { continuation in
            let work = Aside { continuation.resume(returning: body()) }
            var thread = pthread_t()
            let context = Unmanaged.passRetained(work)
            let made = pthread_create(
                &thread, nil,
                { context in
                    if let context { Unmanaged<Aside>.fromOpaque(context).takeRetainedValue().body() }
                    return nil
                }, context.toOpaque())
            if made == 0 {
                pthread_detach(thread)
            } else {
                context.release()
                continuation.resume(returning: nil)
            }
        }
    }

    private final class Aside: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private struct Child {
        var pid: pid_t
        /// Our ends of its standard input and output.
        var input: Int32
        var output: Int32
    }

    /// One at a time: a program started between another's pipe() and its close-on-exec would inherit the pipe, and the
    /// end of its output would not be seen before that program ends too.
    private static let spawning = Mutex(())

    private static func spawn(_ words: [String], withErrors: Bool) -> Child? {
        guard let program = words.first else { return nil }
        guard let toChild = makePipe() else { return nil }
        guard let fromChild = makePipe() else {
            close(toChild.read)
            close(toChild.write)
            return nil
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toChild.read, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, fromChild.write, STDOUT_FILENO)
        if withErrors {
            posix_spawn_file_actions_adddup2(&actions, fromChild.write, STDERR_FILENO)
        } else {
            posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        }
        _ = closeFrom?(&actions, STDERR_FILENO + 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        prepareSignals(&attributes)

        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var pid = pid_t()
        let spawned = posix_spawnp(&pid, program, &actions, &attributes, arguments, environ)
        close(toChild.read)
        close(fromChild.write)
        guard spawned == 0 else {
            close(toChild.write)
            close(fromChild.read)
            return nil
        }
        return Child(pid: pid, input: toChild.write, output: fromChild.read)
    }

    /// The program shall not inherit that a daemon blocks SIGTERM and ignores SIGPIPE. It leads a process group, so
    /// that what it started itself can be killed with it.
    private static func prepareSignals(_ attributes: inout posix_spawnattr_t) {
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    }

    private typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32

    /// posix_spawn_file_actions_addclosefrom_np, in glibc since 2.34 but not in what Swift imports of it.
    ///
    /// SwiftNIO's sockets are not close-on-exec: a program that hangs would hold on to every connection, and to the
    /// listener's port, after we are gone.
    private static let closeFrom = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
        unsafeBitCast($0, to: CloseFrom.self)
    }

    private static func makePipe() -> (read: Int32, write: Int32)? {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private static func write(all octets: [UInt8], to descriptor: Int32) {
        var rest = octets[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                return  // the program does not read: its exit status will tell
            }
            rest = rest.dropFirst(written)
        }
    }

    /// Hands on what comes until the output is closed or the time is over.
    private static func readAll(
        from descriptor: Int32, until deadline: ContinuousClock.Instant, _ take: (ArraySlice<UInt8>) -> Void
    ) {
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let events = poll(&ready, 1, milliseconds(until: deadline))
            if events < 0, errno == EINTR { continue }
            guard events > 0 else { return }
            let count = read(descriptor, &piece, piece.count)
            if count > 0 {
                take(piece.prefix(count))
            } else if count == 0 || errno != EINTR {
                return
            }
        }
    }

    private static func milliseconds(until deadline: ContinuousClock.Instant) -> Int32 {
        let (seconds, fraction) = ContinuousClock.now.duration(to: deadline).components
        return Int32(clamping: max(0, seconds * 1000 + fraction / 1_000_000_000_000_000 + 1))
    }

    /// The program's wait status; it is killed when the time is over.
    private static func wait(for pid: pid_t, until deadline: ContinuousClock.Instant) -> Int32 {
        var status: Int32 = 0
        while true {
            let isOver = ContinuousClock.now >= deadline
            if isOver { kill(-pid, SIGKILL) }
            let ended = waitpid(pid, &status, isOver ? 0 : WNOHANG)
            if ended == pid { return status }
            if ended < 0, errno != EINTR { return -1 }
            // It has closed its output and is about to end.
            if ended == 0 { usleep(2000) }
        }
    }
}
