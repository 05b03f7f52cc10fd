import Foundation
import Glibc
public import NIOCore
import Synchronization

/// An LMTP server on loopback that does what its script says, well-mannered or not, and keeps what it saw.
///
/// One thread for each connection: what blocks there blocks nobody else.
public final class ScriptedLMTPServer: Sendable {
    /// What to do next on a connection. After the last step the connection is closed.
    public enum Step: Sendable {
        /// Reads a line that begins so; any other is a surprise.
        case expect(String)
        /// Sends this and CRLF.
        case reply(String)
        /// Sends this as it is.
        case raw(String)
        /// Sends the first octets of the reply and closes.
        case cut(String, after: Int)
        /// Reads a BDAT … LAST, or DATA, with its message, which is kept; answers nothing after it.
        case readMessage
        /// Reads so many octets.
        case read(Int)
        /// Says and reads nothing until the client closes or the server is stopped.
        case stall
        case wait(milliseconds: Int)
        /// Reads and ignores everything until the client closes.
        case drain
        /// Greeting, and everything after it, as a server should.
        case serve(Manners)
    }

    public struct Manners: Sendable {
        public var offers: [String]
        /// Recipients that get 550 5.1.1.
        public var unknown: Set<String> = []
        /// Replies to RCPT for other recipients that are refused.
        public var refused: [String: String] = [:]
        /// The reply to the message, for each recipient; nil closes the connection instead.
        public var messageReply: String? = "250 2.0.0 saved"
        /// Before each reply.
        public var delay = 0
        /// Closes after so many transactions instead of answering the next MAIL.
        public var mostTransactions = Int.max
        /// One reply for all recipients.
        public var isSMTP = false

        public init(offers: [String] = ["PIPELINING", "CHUNKING", "8BITMIME"]) {
            self.offers = offers
        }
    }

    public struct Message: Sendable {
        public var connection: Int
        public var recipients: [String]
        public var octets: ByteBuffer
    }

    public struct Record: Sendable {
        public var accepted = 0
        public var open = 0
        public var mostOpen = 0
        public var messages: [Message] = []
        /// Lines that were read, without their ends, by connection.
        public var lines: [[String]] = []
        /// Where the client did not do what the script expected.
        public var surprises: [String] = []
    }

    private struct State: Sendable {
        var record = Record()
        var descriptors: Set<Int32> = []
        var isStopped = false
    }

    public let host: String
    public let port: Int
    private let listener: Int32
    private let state = Mutex(State())
    private let script: @Sendable (Int) -> [Step]

    /// - Parameters:
    ///   - host: the address to listen on.
    ///   - script: the steps of each connection, by its number from 0.
    public init(host: String = LoopbackAddress.next(), _ script: @escaping @Sendable (Int) -> [Step]) throws {
        self.script = script
        self.host = host
        (listener, port) = try listenOnLoopback(host)
        Thread.detachNewThread { [self] in acceptAll() }
    }

    /// A server that does the same on every connection.
    public convenience init(host: String = LoopbackAddress.next(), _ steps: [Step]) throws {
        try self.init(host: host) { _ in steps }
    }

    public var record: Record { state.withLock { $0.record } }

    /// Closes the listener and all connections.
    public func stop() {
        state.withLock { state in
            guard !state.isStopped else { return }
            state.isStopped = true
            shutdown(listener, Int32(SHUT_RDWR))
            for descriptor in state.descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    /// Closes the connections, as a restart would, and goes on listening.
    public func dropConnections() {
        state.withLock { for descriptor in $0.descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) } }
    }

    private func acceptAll() {
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { break }
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
            let number = state.withLock { state -> Int? in
                guard !state.isStopped else { return nil }
                state.descriptors.insert(descriptor)
                state.record.accepted += 1
                state.record.open += 1
                state.record.mostOpen = max(state.record.mostOpen, state.record.open)
                state.record.lines.append([])
                return state.record.accepted - 1
            }
            guard let number else {
                close(descriptor)
                break
            }
            Thread.detachNewThread { [self] in
                var conversation = LMTPConversation(number: number, socket: SocketReader(descriptor), server: self)
                try? conversation.run(script(number))
                state.withLock { state in
                    state.descriptors.remove(descriptor)
                    state.record.open -= 1
                    close(descriptor)
                }
            }
        }
        close(listener)
    }

    fileprivate func note(_ change: (inout sending Record) -> Void) {
        state.withLock { change(&$0.record) }
    }
}

private struct LMTPConversation {
    let number: Int
    var socket: SocketReader
    let server: ScriptedLMTPServer
    var recipients: [String] = []

    mutating func run(_ steps: [ScriptedLMTPServer.Step]) throws {
        for step in steps {
            switch step {
            case .expect(let start):
                let line = try line()
                if !line.hasPrefix(start) { server.note { $0.surprises.append("\(line) instead of \(start)") } }
            case .reply(let text): try reply(text)
            case .raw(let text): try socket.write(Array(text.utf8))
            case .cut(let text, let count):
                try socket.write(Array((text + "\r\n").utf8.prefix(count)))
                // Everything the client sent is read, or the kernel would reset and take the octets back.
                shutdown(socket.descriptor, Int32(SHUT_WR))
                while true { _ = try socket.octets(1) }
            case .readMessage: try readMessage(command: line())
            case .read(let count): _ = try socket.octets(count)
            case .stall:
                // POLLRDHUP: returns when either side has shut the connection down; what arrives stays unread.
                var poll = pollfd(fd: socket.descriptor, events: 0x2000, revents: 0)
                _ = Glibc.poll(&poll, 1, 20_000)
            case .wait(let milliseconds): usleep(UInt32(milliseconds) * 1000)
            case .drain: while true { _ = try socket.octets(1) }
            case .serve(let manners): try serve(manners)
            }
        }
    }

    private mutating func serve(_ manners: ScriptedLMTPServer.Manners) throws {
        func answer(_ text: String) throws {
            if manners.delay > 0 { usleep(UInt32(manners.delay) * 1000) }
            try reply(text)
        }
        var transactions = 0
        try answer("220 scripted")
        while true {
            let line = try line()
            switch line.prefix(4).uppercased() {
            case "LHLO", "EHLO":
                let lines = ["scripted"] + manners.offers
                for text in lines.dropLast() { try reply("250-\(text)") }
                try answer("250 \(lines[lines.count - 1])")
            case "MAIL":
                if !recipients.isEmpty { try answer("503 5.5.1 MAIL already given") }
                if transactions == manners.mostTransactions { return }
                transactions += 1
                try answer("250 2.1.0 OK")
            case "RCPT":
                let address = String(line.dropFirst("RCPT TO:<".count).dropLast())
                if manners.unknown.contains(address) {
                    try answer("550 5.1.1 <\(address)> unknown user")
                } else if let reply = manners.refused[address] {
                    try answer(reply)
                } else {
                    recipients.append(address)
                    try answer("250 2.1.5 OK")
                }
            case "RSET":
                recipients = []
                try answer("250 2.0.0 OK")
            case "BDAT", "DATA":
                let addressees = recipients
                try readMessage(command: line)
                if addressees.isEmpty { try answer("554 5.5.1 no valid recipients") }
                guard let reply = manners.messageReply else { return }
                for _ in addressees.prefix(manners.isSMTP ? 1 : .max) { try answer(reply) }
            case "QUIT":
                try answer("221 2.0.0 bye")
                return
            default:
                server.note { $0.surprises.append(line) }
                try answer("500 5.5.2 unknown command")
            }
        }
    }

    private mutating func readMessage(command: String) throws {
        var octets = ByteBuffer()
        let words = command.split(separator: " ")
        if words.first == "BDAT", words.count == 3, words[2] == "LAST", let count = Int(words[1]) {
            octets = try socket.octets(count)
        } else if command == "DATA" {
            try reply("354 go")
            while true {
                var line = try socket.line()
                if line.readableBytesView.first == UInt8(ascii: ".") {
                    if line.readableBytes == 3 { break }
                    line.moveReaderIndex(forwardBy: 1)
                }
                octets.writeBuffer(&line)
            }
        } else {
            server.note { $0.surprises.append("\(command) instead of a message") }
        }
        let message = ScriptedLMTPServer.Message(connection: number, recipients: recipients, octets: octets)
        recipients = []
        server.note { $0.messages.append(message) }
    }

    private mutating func line() throws -> String {
        var line = String(buffer: try socket.line())
        if line.hasSuffix("\r\n") {
            line.removeLast()
        } else {
            server.note { $0.surprises.append("bare line end: \(line)") }
        }
        let number = number
        server.note { [line] in $0.lines[number].append(line) }
        return line
    }

    private func reply(_ text: String) throws {
        try socket.write(Array((text + "\r\n").utf8))
    }
}
