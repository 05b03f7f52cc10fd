import Foundation

/// TCP sockets for tests.
public enum LabSocket {
    /// A blocking socket that is connected. Whoever gets it closes it; where this throws, nothing is left open.
    ///
    /// A function, not the initializer of a class: Swift runs `deinit` when an initializer throws after all properties are
    /// set, so what closed a refused descriptor there closed it twice, and the second time perhaps another thread's.
    ///
    /// - Parameters:
    ///   - address: IPv4, as text.
    ///   - seconds: patience for each read and write.
    ///   - receiveBuffer: octets that the kernel takes for us; small ones hold the sender back early.
    public static func connected(
        to address: String, port: UInt16, seconds: Int, receiveBuffer: Int32? = nil
    ) throws -> Int32 {
        // Not for the children: a daemon that a test starts would hold the connection open.
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw LabFailure("socket: \(String(cString: strerror(errno)))") }
        var patience = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, size)
        if var receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        inet_pton(AF_INET, address, &target.sin_addr)
        let status = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw LabFailure("connect to \(address):\(port): \(reason)")
        }
        return descriptor
    }
}
