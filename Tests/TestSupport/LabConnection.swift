import Foundation

/// A blocking TCP connection with a deadline for each step: tests speak to servers step by step.
public final class LabConnection {
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    /// - Parameters:
    ///   - address: IPv4, as text.
    ///   - seconds: patience for each read and write.
    public init(_ address: String, port: UInt16, seconds: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw LabFailure("socket: \(String(cString: strerror(errno)))") }
        var patience = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, size)
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
            throw LabFailure("connect to \(address):\(port): \(reason)")
        }
    }

    deinit { close(descriptor) }

    public func write(_ octets: [UInt8]) throws {
        var sent = 0
        while sent < octets.count {
            let count = octets.withUnsafeBytes { pointer in
                Foundation.send(
                    descriptor, pointer.baseAddress.map { $0 + sent }, octets.count - sent, Int32(MSG_NOSIGNAL)
                )
            }
            guard count > 0 else { throw LabFailure("write: \(String(cString: strerror(errno)))") }
            sent += count
        }
    }

    /// The next line without its end.
    public func readLine() throws -> String {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                var line = buffer[..<end]
                if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
                defer { buffer.removeSubrange(...end) }
                return String(decoding: line, as: UTF8.self)
            }
            var piece = [UInt8](repeating: 0, count: 4096)
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count > 0 else {
                throw LabFailure(
                    count == 0 ? "the server closed the connection" : "read: \(String(cString: strerror(errno)))")
            }
            buffer += piece.prefix(count)
        }
    }
}
