import Foundation

/// A blocking TCP connection with a deadline for each step: tests speak to servers step by step.
public final class LabConnection {
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    /// - Parameters:
    ///   - address: IPv4, as text.
    ///   - seconds: patience for each read and write.
    public init(_ address: String, port: UInt16, seconds: Int) throws {
        descriptor = try LabSocket.connected(to: address, port: port, seconds: seconds)
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
