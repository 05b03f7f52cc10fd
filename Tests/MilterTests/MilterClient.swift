import Foundation
import Glibc

/// The MTA's side of the milter protocol, version 6 (libmilter/mfdef.h), one command at a time, on a unix socket.
///
/// Debian's miltertest(8), which MiltertestTests drive, does most of it, but cannot tell what SMFIR_ADDRCPT_PAR holds, by which
/// missing copies travel, nor the text of a reply to RCPT.
final class MilterClient {
    struct Failure: Error, CustomStringConvertible { var description: String }

    /// What the filter answers to the end of a message.
    struct Outcome: Equatable, CustomStringConvertible {
        /// `continue`, `accept`, `discard`, `tempfail`, `reject`, or the reply's text.
        var verdict: String
        /// Changes, in the order they were asked for.
        var changes: [String]

        var description: String { ([verdict] + changes).joined(separator: "\n  ") }
    }

    private let descriptor: Int32
    /// Protocol steps the filter negotiated (SMFIP_*).
    private(set) var steps: UInt32 = 0

    init(socket path: String, patience seconds: Int = 30) throws {
        descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        guard result == 0 else { throw Failure(description: "connect to \(path): \(String(cString: strerror(errno)))") }
        // All actions, all steps: what Postfix offers.
        try send("O", MilterClient.number(6) + MilterClient.number(0x1FF) + MilterClient.number(0x1F_FFFF))
        let (command, data) = try read()
        guard command == "O", data.count >= 12 else { throw Failure(description: "no negotiation: \(command)") }
        steps = data[8..<12].reduce(0) { $0 << 8 | UInt32($1) }
    }

    deinit { close(descriptor) }

    // MARK: commands; each returns the filter's answer, "" where it negotiated to give none

    /// - Parameter daemon: the macro {daemon_name}.
    func connect(daemon: String = "smtpd", host: String = "mail.example.org", address: String = "192.0.2.7") throws
        -> String
    {
        try sendMacros("C", ["j", "mh1.example.com", "{daemon_name}", daemon])
        return try exchange("C", text(host) + Array("4".utf8) + [0, 25] + text(address), unanswered: 0x1000)
    }

    func helo(_ name: String = "mx.example.org") throws -> String { try exchange("H", text(name), unanswered: 0x2000) }

    func mail(_ arguments: String..., macros: [String] = []) throws -> String {
        try sendMacros("M", macros)
        return try exchange("M", arguments.flatMap { text($0) }, unanswered: 0x4000)
    }

    /// MAIL with an argument that need not be text.
    func mail(octets: [UInt8]) throws -> String {
        try sendMacros("M", [])
        return try exchange("M", octets + [0], unanswered: 0x4000)
    }

    func recipient(_ arguments: String..., mailer: String = "covey-back") throws -> String {
        try sendMacros("R", ["{rcpt_mailer}", mailer])
        return try exchange("R", arguments.flatMap { text($0) }, unanswered: 0x8000)
    }

    func header(_ name: String, _ value: String) throws -> String {
        try exchange("L", text(name, value), unanswered: 0x80)
    }

    func endOfHeader() throws -> String { try exchange("N", [], unanswered: 0x4_0000) }

    func body(_ octets: [UInt8]) throws -> String { try exchange("B", octets, unanswered: 0x8_0000) }

    func abort() throws { try send("A", []) }

    func quit() throws { try send("Q", []) }

    func endOfMessage(queueID: String = "4abcDEF") throws -> Outcome {
        try sendEndOfMessage(queueID: queueID)
        return try readOutcome()
    }

    func sendEndOfMessage(queueID: String = "4abcDEF") throws {
        try sendMacros("E", ["i", queueID])
        try send("E", [])
    }

    func readOutcome() throws -> Outcome {
        var changes: [String] = []
        while true {
            let (command, data) = try read()
            switch command {
            case "+": changes.append("add-rcpt " + MilterClient.words(data))
            case "2": changes.append("add-rcpt " + MilterClient.words(data))
            case "-": changes.append("del-rcpt " + MilterClient.words(data))
            case "h": changes.append("add-header " + MilterClient.words(data))
            case "i": changes.append("insert-header " + MilterClient.words(Array(data.dropFirst(4))))
            case "m": changes.append("change-header \(data[3]) " + MilterClient.words(Array(data.dropFirst(4))))
            case "p": continue
            default: return Outcome(verdict: MilterClient.verdict(command, data), changes: changes)
            }
        }
    }

    // MARK: a whole message

    /// Sends a message over a connection that has said HELO; the answers to RCPT must all be to go on.
    func message(
        to recipients: [String], mailer: String = "covey-back", fields: [(String, String)] = MilterClient.fields,
        body: String = "Hello\r\n"
    ) throws -> Outcome {
        try begin(to: recipients, mailer: mailer, fields: fields)
        _ = try self.body(Array(body.utf8))
        return try endOfMessage()
    }

    /// Everything up to the end of the header.
    func begin(
        to recipients: [String], mailer: String = "covey-back", fields: [(String, String)] = MilterClient.fields
    ) throws {
        _ = try mail("<s@example.org>", "BODY=8BITMIME")
        for recipient in recipients {
            let answer = try self.recipient(recipient, mailer: mailer)
            guard answer == "continue" else { throw Failure(description: "\(recipient): \(answer)") }
        }
        for (name, value) in fields { _ = try header(name, value) }
        let answer = try endOfHeader()
        guard answer == "continue" else { throw Failure(description: "end of header: \(answer)") }
    }

    static let fields = [
        ("From", " s@example.org"), ("Date", " Mon, 1 Jan 2024 00:00:00 +0000"), ("Message-ID", " <1@example.org>"),
        ("Subject", " folded\n\tsubject"),
    ]

    // MARK: packets

    private func exchange(_ command: Character, _ data: [UInt8], unanswered flag: UInt32) throws -> String {
        try send(command, data)
        guard steps & flag == 0 else { return "" }
        while true {
            let (answer, data) = try read()
            if answer != "p" { return MilterClient.verdict(answer, data) }
        }
    }

    private static func verdict(_ command: Character, _ data: [UInt8]) -> String {
        switch command {
        case "c": "continue"
        case "a": "accept"
        case "d": "discard"
        case "t": "tempfail"
        case "r": "reject"
        case "y": words(data)
        default: "command \(command)"
        }
    }

    private func sendMacros(_ command: Character, _ macros: [String]) throws {
        try send("D", Array(String(command).utf8) + macros.flatMap { text($0) })
    }

    private func text(_ words: String...) -> [UInt8] { words.flatMap { Array($0.utf8) + [0] } }

    private static func number(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }

    private static func words(_ data: [UInt8]) -> String {
        data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }.joined(separator: " | ")
    }

    private func send(_ command: Character, _ data: [UInt8]) throws {
        let packet = MilterClient.number(UInt32(data.count + 1)) + Array(String(command).utf8) + data
        let sent = packet.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard sent == packet.count else { throw Failure(description: "the filter is gone, at command \(command)") }
    }

    private func read() throws -> (Character, [UInt8]) {
        let length = Int(try octets(4).reduce(0) { $0 << 8 | UInt32($1) })
        guard (1...1_000_000).contains(length) else { throw Failure(description: "a packet of \(length) octets") }
        let packet = try octets(length)
        return (Character(Unicode.Scalar(packet[0])), Array(packet.dropFirst()))
    }

    private func octets(_ count: Int) throws -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        let got = recv(descriptor, &result, count, Int32(MSG_WAITALL))
        guard got == count else { throw Failure(description: got < 0 ? "no answer in time" : "the filter hung up") }
        return result
    }
}
