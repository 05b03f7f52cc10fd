import Glibc

/// What the loader wants from a file system; tests give it one made of a dictionary.
public protocol FileAccess {
    /// The whole file; an error when it is missing, unreadable, no ordinary file, or longer than `limit` octets.
    func read(_ path: String, limit: Int) throws(FileAccessError) -> FileContents
    /// Whether something of that name exists.
    func exists(_ path: String) -> Bool
    /// What relative names given on the command line are relative to.
    var workingDirectory: String { get }
}

/// A file that was read.
public struct FileContents: Sendable, Equatable {
    public var octets: [UInt8]
    /// The permission bits, `0o640`.
    public var mode: UInt32
    /// User id of the owner.
    public var owner: UInt32

    public init(octets: [UInt8], mode: UInt32, owner: UInt32) {
        self.octets = octets
        self.mode = mode
        self.owner = owner
    }
}

/// Why a file could not be read.
public struct FileAccessError: Error, Sendable, Equatable {
    public enum Reason: Sendable, Equatable { case missing, other }
    public var reason: Reason
    /// In plain words: `No such file or directory`.
    public var text: String

    public init(reason: Reason, text: String) {
        self.reason = reason
        self.text = text
    }
}

/// The machine's own files.
public struct SystemFiles: FileAccess, Sendable {
    public init() {}

    public func read(_ path: String, limit: Int) throws(FileAccessError) -> FileContents {
        // O_NONBLOCK: a FIFO in the file's place must not hang the daemon's start.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw SystemFiles.lastError() }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemFiles.lastError() }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileAccessError(reason: .other, text: "it is not an ordinary file")
        }
        var octets: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemFiles.lastError()
            }
            if count == 0 { break }
            octets += chunk[..<count]
            guard octets.count <= limit else {
                throw FileAccessError(reason: .other, text: "it is longer than \(limit) octets")
            }
        }
        return FileContents(octets: octets, mode: status.st_mode & 0o7777, owner: status.st_uid)
    }

    public func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    public var workingDirectory: String {
        guard let text = getcwd(nil, 0) else { return "/" }
        defer { free(text) }
        return String(cString: text)
    }

    private static func lastError() -> FileAccessError {
        let code = errno
        return FileAccessError(reason: code == ENOENT ? .missing : .other, text: String(cString: strerror(code)))
    }
}
