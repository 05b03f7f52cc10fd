import Glibc

/// Why a daemon does not start, with the remedy.
public struct StartFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// The unprivileged user that a daemon becomes when it was started as root.
public struct SystemUser: Sendable {
    public let name: String
    private let uid: uid_t
    private let gid: gid_t

    /// Nil when there is nothing to give up: not started as root, or told to stay root.
    ///
    /// - Parameters:
    ///   - name: the user, from the configuration.
    ///   - key: the configuration key, for the message.
    public static func toBecome(_ name: String, key: String) throws(StartFailure) -> SystemUser? {
        guard geteuid() == 0, name != "root" else { return nil }
        guard let entry = getpwnam(name) else {
            throw StartFailure(
                "\(key): there is no user \"\(name)\" on this machine; "
                    + "create it (useradd --system --no-create-home \(name)) or name another")
        }
        return SystemUser(name: name, uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid)
    }

    /// Gives up root for good, in all threads.
    public func become() throws(StartFailure) {
        // The order matters: without root the groups cannot be changed any more.
        guard initgroups(name, gid) == 0, setgid(gid) == 0, setuid(uid) == 0 else {
            throw StartFailure("cannot become user \"\(name)\": \(String(cString: strerror(errno)))")
        }
        guard setuid(0) != 0 else { throw StartFailure("user \"\(name)\" is root under another name; name another") }
    }

    /// Makes a socket this user's, and its group that of the directory: the group of those who may connect.
    public func own(socket path: String) throws(StartFailure) {
        let end = path.lastIndex(of: "/") ?? path.startIndex
        var directory = stat()
        guard stat(String(path[..<end]), &directory) == 0, chown(path, uid, directory.st_gid) == 0 else {
            throw StartFailure("cannot give \(path) to user \"\(name)\": \(String(cString: strerror(errno)))")
        }
    }
}

/// What a daemon asks of the machine it runs on.
public enum Machine {
    /// The machine's own host name.
    public static var name: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Prints a line on standard error.
    public static func complain(_ text: String) {
        let line = Array("\(text)\n".utf8)
        // Where nobody can be told there is nothing to be done about it.
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// Raises the limit of open files, as far as the system lets us; returns the limit now in force.
    public static func raiseDescriptorLimit(to wanted: Int) -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return wanted }
        let wanted = rlim_t(wanted)
        guard limit.rlim_cur < wanted else { return Int(limit.rlim_cur) }
        let hard = limit.rlim_max
        limit.rlim_cur = wanted
        limit.rlim_max = max(hard, wanted)
        if setrlimit(resource, &limit) == 0 { return Int(wanted) }
        // Only root may raise the hard limit.
        limit.rlim_cur = hard
        limit.rlim_max = hard
        _ = setrlimit(resource, &limit)
        return Int(hard)
    }
}
