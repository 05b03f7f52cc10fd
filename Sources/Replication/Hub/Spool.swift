import Glibc
public import MailWire
import NIOCore
import Synchronization

/// What all spooled bodies of a process may take on disk together (`milter.spool_limit`).
public final class SpoolBudget: Sendable {
    private let limit: Mutex<Int>
    private let used = Mutex(0)

    /// - Parameter limit: octets.
    public init(limit: Int) {
        self.limit = Mutex(limit)
    }

    /// What is in use already stays so, even where it is more.
    public func change(limit: Int) {
        self.limit.withLock { $0 = limit }
    }

    /// Octets in use.
    public var inUse: Int { used.withLock { $0 } }

    func take(_ octets: Int) -> Bool {
        let limit = limit.withLock { $0 }
        return used.withLock { used in
            guard used + octets <= limit else { return false }
            used += octets
            return true
        }
    }

    func giveBack(_ octets: Int) {
        used.withLock { $0 -= octets }
    }
}

/// Why a body could not be kept. The sender is asked to come again.
public enum SpoolError: Error, Equatable, CustomStringConvertible {
    case limitReached
    case system(call: String, errno: Int32)

    public var description: String {
        switch self {
        case .limitReached: "milter.spool_limit is reached"
        case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
        }
    }
}

/// Takes a body piece by piece: in memory while it is small, in an unlinked temporary file from then on, so that
/// memory is bounded by the number of messages and not by their size.
public struct Spool: ~Copyable {
    /// Octets up to which a body stays in memory (design §4.1).
    public static let memoryLimit = 256 * 1024

    private let budget: SpoolBudget
    private let directory: String
    private var memory = ByteBuffer()
    private var file: SpoolFile?

    /// - Parameter directory: where temporary files are made.
    public init(budget: SpoolBudget, directory: String) {
        self.budget = budget
        self.directory = directory
    }

    public mutating func append(_ octets: UnsafeRawBufferPointer) throws(SpoolError) {
        if let file {
            try file.append(octets)
        } else if memory.readableBytes + octets.count <= Spool.memoryLimit {
            memory.writeBytes(octets)
        } else {
            let file = try SpoolFile(in: directory, budget: budget)
            self.file = file
            let soFar = memory
            memory = ByteBuffer()
            try soFar.withUnsafeReadableBytes { octets throws(SpoolError) in try file.append(octets) }
            try file.append(octets)
        }
    }

    /// The body, which keeps its file until the last user lets go of it.
    public consuming func finish() -> any MessageBody {
        if let file { return FileBody(file) }
        return BufferedBody(memory)
    }
}

/// An unlinked temporary file. Written by one owner first, read by many afterwards.
private final class SpoolFile: Sendable {
    let descriptor: Int32
    private let budget: SpoolBudget
    private let size = Mutex(0)

    init(in directory: String, budget: SpoolBudget) throws(SpoolError) {
        var template = Array("\(directory)/covey-spool-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw .system(call: "mkstemp in \(directory)", errno: errno) }
        // Nobody else needs the name, and a daemon that is killed leaves nothing behind.
        unlink(template)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        self.descriptor = descriptor
        self.budget = budget
    }

    deinit {
        close(descriptor)
        budget.giveBack(length)
    }

    var length: Int { size.withLock { $0 } }

    func append(_ octets: UnsafeRawBufferPointer) throws(SpoolError) {
        guard budget.take(octets.count) else { throw .limitReached }
        size.withLock { $0 += octets.count }
        var rest = octets[...]
        while !rest.isEmpty {
            let written = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if written < 0 {
                if errno == EINTR { continue }
                throw .system(call: "write to the spool", errno: errno)
            }
            rest = rest.dropFirst(written)
        }
    }
}

private struct FileBody: MessageBody {
    private let file: SpoolFile
    let length: Int

    init(_ file: SpoolFile) {
        self.file = file
        length = file.length
    }

    func read(at offset: Int, most: Int) throws -> ByteBuffer {
        var buffer = ByteBuffer()
        let count = min(most, length - offset)
        // pread: every server's connection reads at a place of its own.
        try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space throws(SpoolError) in
            while true {
                let got = pread(file.descriptor, space.baseAddress, count, off_t(offset))
                if got > 0 { return got }
                if got < 0, errno == EINTR { continue }
                throw .system(call: "read from the spool", errno: got < 0 ? errno : EIO)
            }
        }
        return buffer
    }
}
