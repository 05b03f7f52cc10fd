import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

/// The tests' own way to start programs (TestSupport): much that they see depends on it.
@Suite(.serialized, .timeLimit(.minutes(2))) @BlockingThread struct ChildProcessTests {
    private let directory: PrivateDirectory
    private var log: String { directory.path + "/log" }

    init() throws { directory = try PrivateDirectory() }

    @Test(
        "the end is told as a shell tells it",
        arguments: [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + SIGTERM), ("kill -KILL $$", 128 + SIGKILL)])
    func status(script: String, status: Int32) async throws {
        let process = try ChildProcess(["sh", "-c", script], log: log)
        #expect(process.wait() == status)
        #expect(process.wait() == status, "asked again")
        #expect(!process.isRunning)
    }

    @Test func `environment, input and both outputs are those given`() async throws {
        try directory.write("input", "read\n", mode: 0o600)
        let process = try ChildProcess(
            ["sh", "-c", "echo $ONE; echo ${HOME-none} >&2; cat"], environment: ["ONE": "1"],
            input: directory.path + "/input", log: log)
        #expect(process.wait() == 0)
        #expect(directory.text(of: "log") == "1\nnone\nread\n")
    }

    @Test func `a program that is not there is an error with its name`() async throws {
        let failure = #expect(throws: ChildProcess.Failure.self) {
            try ChildProcess(["covey-no-such-program"], log: log)
        }
        #expect(failure?.description.contains("covey-no-such-program") == true)
    }

    /// A daemon that had a socket of the tests would keep the connection open that a test closes.
    @Test func `what the tests have open is not handed down`() async throws {
        var pipes: [Int32] = [-1, -1]
        try #require(pipe(&pipes) == 0)
        defer { for pipe in pipes { close(pipe) } }
        for descriptor in pipes {
            #expect(try ChildProcess(["test", "-e", "/proc/self/fd/\(descriptor)"], log: log).wait() == 1)
        }
        for descriptor in 0...2 {
            #expect(try ChildProcess(["test", "-e", "/proc/self/fd/\(descriptor)"], log: log).wait() == 0)
        }
    }

    @Test func `a process that nobody holds is killed and reaped`() async throws {
        var process: ChildProcess? = try ChildProcess(["sh", "-c", "echo $$; exec sleep 600"], log: log)
        var number: pid_t?
        while number == nil {
            try #require(process?.isRunning == true)
            usleep(10_000)
            let text = directory.text(of: "log")
            if text.hasSuffix("\n") { number = pid_t(text.dropLast()) }
        }
        let identifier = try #require(number)
        #expect(kill(identifier, 0) == 0)
        process = nil
        // Not even as a zombie.
        #expect(kill(identifier, 0) == -1 && errno == ESRCH)
    }

    @Test func `a process that one thread waits for hears the signals of another`() async throws {
        let process = try ChildProcess(["sleep", "20"], log: log)
        let waiter = Waiter()
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            let thread = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
            waiter.thread.withLock { $0 = thread }
            let status = process.wait()
            waiter.status.withLock { $0 = status }
            done.signal()
        }
        while !waiter.isAsleep { usleep(1000) }
        #expect(process.isRunning)
        process.send(SIGTERM)
        // At the latest when the program ends by itself.
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                done.wait()
                continuation.resume()
            }
        }
        #expect(waiter.status.withLock { $0 } == 128 + SIGTERM)
    }
}

private final class Waiter: Sendable {
    /// By its path below /proc.
    let thread = Mutex<String?>(nil)
    let status = Mutex<Int32?>(nil)

    /// Whether the thread has told which it is and waits for something since (proc(5): the third field of `stat`).
    var isAsleep: Bool {
        guard let thread = thread.withLock({ $0 }) else { return false }
        let stat = (try? String(contentsOfFile: "/proc/\(thread)/stat", encoding: .utf8)) ?? ""
        return stat.contains(") S ")
    }
}
