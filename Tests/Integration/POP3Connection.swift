import Foundation
import TestSupport

/// A mail program's connection that reads octets as they come, at its own pace.
final class POP3Connection {
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    /// - Parameters:
    ///   - receiveBuffer: octets that the kernel takes for us; small ones hold the sender back early.
    ///   - seconds: patience for each read and write.
    init(_ address: String, port: UInt16 = 1100, receiveBuffer: Int32? = nil, seconds: Int = 60) throws {
        descriptor = try LabSocket.connected(
            to: address, port: port, seconds: seconds, receiveBuffer: receiveBuffer)
    }

    deinit { Foundation.close(descriptor) }

    /// Throws only when the server has closed or does not take octets in time.
    func write(_ octets: [UInt8]) throws {
        var sent = 0
        while sent < octets.count {
            let count = octets.withUnsafeBytes { pointer in
                Foundation.send(
                    descriptor, pointer.baseAddress.map { $0 + sent }, octets.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw LabFailure("write: \(String(cString: strerror(errno)))") }
            sent += count
        }
    }

    /// The next line without its end.
    func line() throws -> String {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                var line = buffer[..<end]
                if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
                defer { buffer.removeSubrange(...end) }
                return String(decoding: line, as: UTF8.self)
            }
            guard try readMore() else { throw LabFailure("the proxy closed the connection") }
        }
    }

    /// Sends a command; the first line of its answer.
    func command(_ line: String) throws -> String {
        try write(text(line + "\r\n"))
        return try self.line()
    }

    /// Sends a command that has to succeed; the rest of its first line.
    @discardableResult
    func expectOK(_ line: String) throws -> String {
        let answer = try command(line)
        guard answer.hasPrefix("+OK") else { throw LabFailure("\(line): \(answer)") }
        return String(answer.dropFirst(4))
    }

    /// The lines of an answer up to its dot.
    func lines() throws -> [String] {
        var lines: [String] = []
        while case let line = try line(), line != "." { lines.append(line) }
        return lines
    }

    /// Reads until that many octets wait here.
    func read(atLeast count: Int) throws {
        while buffer.count < count, try readMore() {}
    }

    /// The octets of a message as they travel, without the final dot; `isWhole` when the dot came, and not the
    /// connection's end.
    func message() throws -> (octets: [UInt8], isWhole: Bool) {
        let end = text("\r\n.\r\n")
        while !buffer.suffix(end.count).elementsEqual(end) {
            guard try readMore() else { return (buffer, false) }
        }
        defer { buffer = [] }
        return (Array(buffer.dropLast(3)), true)
    }

    /// All that still comes until the other side closes.
    func rest() throws -> [UInt8] {
        while try readMore() {}
        return buffer
    }

    /// False at the connection's end, however it came.
    private func readMore() throws -> Bool {
        let step = 1 << 17
        let count = withUnsafeTemporaryAllocation(byteCount: step, alignment: 1) { piece in
            let count = recv(descriptor, piece.baseAddress, step, 0)
            if count > 0 { buffer += UnsafeRawBufferPointer(rebasing: piece[..<count]) }
            return count
        }
        if count < 0, errno == EAGAIN { throw LabFailure("nothing came in time; so far \(buffer.count) octets") }
        return count > 0
    }
}

extension Lab {
    /// A session with its maildrop open.
    func session(
        _ user: String, at proxy: String, password: String = "secret", receiveBuffer: Int32? = nil
    ) throws -> POP3Connection {
        let connection = try POP3Connection(address(of: proxy), receiveBuffer: receiveBuffer)
        let greeting = try connection.line()
        guard greeting.hasPrefix("+OK") else { throw LabFailure("\(proxy): \(greeting)") }
        try connection.expectOK("USER \(user)")
        try connection.expectOK("PASS \(password)")
        return connection
    }

    /// Deletes all messages that a proxy shows, in one session.
    ///
    /// - Returns: the ids, and the answer to QUIT.
    func deleteAll(of user: String, at proxy: String) throws -> (ids: [String], answer: String) {
        let session = try session(user, at: proxy)
        try session.expectOK("UIDL")
        let ids = try session.lines().map { $0.split(separator: " ").last.map(String.init) ?? $0 }
        for number in ids.indices { try session.expectOK("DELE \(number + 1)") }
        return (ids, try session.command("QUIT"))
    }

    /// Numbers of messages for a user on each server, in the order of `mailboxes`.
    func counts(for user: String) throws -> [Int] {
        try mailboxes.map { try stored(for: user, on: $0).count }
    }

    /// A daemon's log on a host: all lines since its last boot and before.
    func log(of daemon: String, on host: String) -> [String] {
        let data = FileManager.default.contents(atPath: disk(of: host, "/var/log/\(daemon).log")) ?? Data()
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// Sends messages to one user at mh1 over one connection, all of which have to be accepted.
    func deliver(_ messages: [[UInt8]], to user: String) throws {
        try warmUp([user], at: "mh1")
        let client = try LabSMTPClient(address(of: "mh1"))
        for message in messages {
            let outcome = try client.send(
                message, from: "ann@elsewhere.example", to: [user], transfer: .chunks(of: 1_000_000))
            guard outcome.isAccepted else { throw LabFailure("\(user): \(outcome)") }
        }
        try client.quit()
    }

    /// Waits until all servers are part of a new session again: one that was down is skipped until a probe finds it.
    func waitForAllServers(at proxies: [String]? = nil) throws {
        for proxy in proxies ?? mailboxes {
            try wait(for: "all servers in a session at proxy \(proxy)") {
                let before = log(of: "covey-pop3d", on: proxy).count
                _ = try maildrop(of: "u30@example.org", at: proxy)
                let line = try wait(
                    for: "the session's log line", within: 5,
                    { log(of: "covey-pop3d", on: proxy).dropFirst(before).first { $0.contains("session.user=u30@") } },
                    until: { $0 != nil })
                return line.map { !$0.contains("left_out") } ?? false
            }
        }
    }
}
