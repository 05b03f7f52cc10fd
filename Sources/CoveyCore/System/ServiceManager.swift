import Glibc

/// What a daemon tells the service manager that started it: sd_notify(3)'s datagrams, without libsystemd.
///
/// Started by hand (NOTIFY_SOCKET not set), it tells nobody. A datagram that cannot be sent is no reason to stop serving
/// mail: systemd's own time limits then say what is wrong.
public struct ServiceManager: Sendable {
    /// What the daemon is doing now.
    public enum State: Sendable {
        case ready
        case reloading
        case stopping
    }

    /// A path, or @ and an abstract name; nil where nobody listens.
    private let address: String?

    /// The one that started this process.
    public init() {
        self.init(address: getenv("NOTIFY_SOCKET").map { String(cString: $0) })
    }

    public init(address: String?) {
        self.address = address
    }

    /// - Parameter status: one line for `systemctl status`.
    public func tell(_ state: State, status: String) {
        guard let address else { return }
        send(ServiceManager.message(state, status: status, now: ServiceManager.monotonicMicroseconds), to: address)
    }

    /// The datagram's text: assignments, one a line (sd_notify(3)).
    ///
    /// - Parameter now: CLOCK_MONOTONIC in microseconds, which a reload has to name.
    static func message(_ state: State, status: String, now: UInt64) -> String {
        let words =
            switch state {
            case .ready: "READY=1"
            case .reloading: "RELOADING=1\nMONOTONIC_USEC=\(now)"
            case .stopping: "STOPPING=1"
            }
        // A line feed would begin another assignment.
        return "\(words)\nSTATUS=\(status.split(separator: "\n").joined(separator: " "))"
    }

    private static var monotonicMicroseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
    }

    private func send(_ text: String, to address: String) {
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        var octets = Array(address.utf8)
        guard octets.first == UInt8(ascii: "/") || octets.first == UInt8(ascii: "@"),
            octets.count < MemoryLayout.size(ofValue: name.sun_path)
        else { return }
        if octets[0] == UInt8(ascii: "@") { octets[0] = 0 }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: octets) }
        // The length tells an abstract name's end (unix(7)).
        let length = MemoryLayout.offset(of: \sockaddr_un.sun_path)! + octets.count
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let message = Array(text.utf8)
        withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), $0, socklen_t(length))
            }
        }
    }
}
