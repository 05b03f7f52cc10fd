import Foundation

/// A reply of an SMTP or POP3 server.
public struct LabReply: Sendable, CustomStringConvertible {
    /// 250, 451, …; 0 for a connection that ended instead.
    public var code: Int
    public var text: String
    public var description: String { text }

    public var isPositive: Bool { (200..<400).contains(code) }
    public var isTransient: Bool { (400..<500).contains(code) }
}

/// An SMTP client that sends exactly the octets it is given (RFC 5321, RFC 3030), where swaks would tidy them.
public final class LabSMTPClient {
    private let connection: LabConnection
    public private(set) var extensions: [String] = []

    /// Connects and says EHLO.
    ///
    /// - Parameter seconds: patience for each reply.
    public init(_ address: String, port: UInt16 = 25, seconds: Int = 120) throws {
        connection = try LabConnection(address, port: port, seconds: seconds)
        let greeting = try readReply()
        guard greeting.code == 220 else { throw LabFailure("\(address) greets with \(greeting)") }
        let hello = try command("EHLO tests.elsewhere.example")
        guard hello.code == 250 else { throw LabFailure("EHLO: \(hello)") }
        extensions = hello.text.split(separator: "\n").map { String($0.dropFirst(4)) }
    }

    /// Sends a command line and waits for its reply.
    public func command(_ line: String) throws -> LabReply {
        try connection.write(Array((line + "\r\n").utf8))
        return try readReply()
    }

    /// How the octets of a message travel.
    public enum Transfer: Sendable, Equatable {
        /// Dot-stuffed. A message without newline at its end gets one: DATA knows no other (RFC 5321 §4.5.2).
        case data
        /// In chunks of so many octets (RFC 3030).
        case chunks(of: Int)
    }

    /// What became of a message.
    public struct Outcome: Sendable, CustomStringConvertible {
        public var sender: LabReply
        public var recipients: [LabReply]
        /// The reply to the message as a whole; nil where no recipient was accepted.
        public var message: LabReply?

        public var isAccepted: Bool { message?.code == 250 }
        public var description: String {
            "MAIL: \(sender); RCPT: \(recipients); message: \(message?.text ?? "not sent")"
        }
    }

    /// One whole transaction.
    ///
    /// - Parameter message: header and body with CRLF.
    public func send(
        _ message: [UInt8], from sender: String, to recipients: [String], parameters: String = "",
        transfer: Transfer = .data
    ) throws -> Outcome {
        let space = parameters.isEmpty ? "" : " "
        var outcome = Outcome(sender: try command("MAIL FROM:<\(sender)>\(space)\(parameters)"), recipients: [])
        guard outcome.sender.code == 250 else { return outcome }
        for recipient in recipients { outcome.recipients.append(try command("RCPT TO:<\(recipient)>")) }
        guard outcome.recipients.contains(where: \.isPositive) else {
            _ = try command("RSET")
            return outcome
        }
        switch transfer {
        case .data: outcome.message = try sendData(message)
        case .chunks(let size): outcome.message = try sendChunks(message, size)
        }
        return outcome
    }

    public func quit() throws { _ = try command("QUIT") }

    private func sendData(_ message: [UInt8]) throws -> LabReply {
        let reply = try command("DATA")
        guard reply.code == 354 else { return reply }
        var stuffed: [UInt8] = []
        stuffed.reserveCapacity(message.count + message.count / 64)
        let (dot, newline) = (UInt8(ascii: "."), UInt8(ascii: "\n"))
        // Line by line: octet by octet takes seconds for 10 MB in a debug build.
        var rest = message[...]
        while let first = rest.first {
            if first == dot { stuffed.append(dot) }
            let end = rest.firstIndex(of: newline).map { $0 + 1 } ?? rest.endIndex
            stuffed += rest[..<end]
            rest = rest[end...]
        }
        if stuffed.last != newline { stuffed += Array("\r\n".utf8) }
        try connection.write(stuffed + Array(".\r\n".utf8))
        return try readReply()
    }

    private func sendChunks(_ message: [UInt8], _ size: Int) throws -> LabReply {
        var rest = message[...]
        while true {
            let chunk = rest.prefix(size)
            rest = rest.dropFirst(size)
            try connection.write(Array("BDAT \(chunk.count)\(rest.isEmpty ? " LAST" : "")\r\n".utf8) + chunk)
            let reply = try readReply()
            if rest.isEmpty || !reply.isPositive { return reply }
        }
    }

    private func readReply() throws -> LabReply {
        var lines: [String] = []
        while true {
            let line = try connection.readLine()
            lines.append(line)
            if line.count < 4 || line.dropFirst(3).first != "-" { break }
        }
        return LabReply(code: Int(lines.last?.prefix(3) ?? "") ?? 0, text: lines.joined(separator: "\n"))
    }
}

extension Lab {
    /// Sends one message to a hub over a connection of its own.
    public func send(
        _ message: [UInt8], to recipients: [String], at hub: String = "mh1",
        from sender: String = "ann@elsewhere.example",
        parameters: String = "", transfer: LabSMTPClient.Transfer = .data
    ) throws -> LabSMTPClient.Outcome {
        let client = try LabSMTPClient(address(of: hub))
        let outcome = try client.send(
            message, from: sender, to: recipients, parameters: parameters, transfer: transfer)
        try? client.quit()
        return outcome
    }
}

extension Lab {
    /// Has a hub ask whether the users exist, so that later senders need not wait for the answer.
    public func warmUp(_ users: [String], at hub: String) throws {
        let client = try LabSMTPClient(address(of: hub))
        _ = try client.command("MAIL FROM:<ann@elsewhere.example>")
        for user in users {
            let reply = try client.command("RCPT TO:<\(user)>")
            guard reply.code == 250 else { throw LabFailure("\(user): \(reply)") }
        }
        try client.quit()
    }
}
