// In a file of its own, without NIO: with it the compiler may take the system's types for NIO's own, depending on which
// files it compiles together.
import Foundation

/// Opens a listener on a free port of that address.
func listenOnLoopback(_ host: String) throws -> (descriptor: Int32, port: Int) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr(host)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, length) == 0 && listen(descriptor, 512) == 0
                && getsockname(descriptor, $0, &length) == 0
        }
    }
    guard result else { throw LabFailure("listen on \(host): \(String(cString: strerror(errno)))") }
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
}
