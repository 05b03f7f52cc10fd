public import CoveyCore
public import NIOCore
internal import NIOPosix
internal import Synchronization

/// A POP3 server on loopback that behaves, or misbehaves, exactly as its script says.
public final class ScriptedPOP3Server: Sendable {
    public struct Message: Sendable {
        public var uniqueID: String
        /// With CRLF line ends, not dot-stuffed.
        public var content: String
        /// What LIST says; nil: the truth.
        public var listedOctets: Int?

        public init(uniqueID: String, content: String, listedOctets: Int? = nil) {
            self.uniqueID = uniqueID
            self.content = content
            self.listedOctets = listedOctets
        }
    }

    /// What goes wrong when a command comes.
    public enum Fault: Sendable {
        /// No answer, ever.
        case stall
        /// The connection is closed instead of an answer.
        case close
        /// These octets instead of the answer.
        case reply(String)
        /// These octets, then the connection is closed.
        case replyAndClose(String)
        /// The first octets of the right answer, then the connection is closed.
        case cut(after: Int)
        /// The first octets of the right answer, then nothing.
        case cutAndStall(after: Int)
        /// The right answer, so much later.
        case delay(TimeAmount)
    }

    public struct Script: Sendable {
        public var greeting = "+OK scripted server ready."
        public var password = "secret"
        /// Users that no password opens.
        public var refusedUsers: Set<String> = []
        /// Of CAPA; nil: the server does not know the command.
        public var capabilities: [String]?
        /// What AUTH takes for a right message, in base 64; else it is refused.
        public var acceptedMessages: Set<String> = []
        /// What a token that is refused is told first, in base 64.
        public var tokenChallenge: String?
        public var messages: [Message] = []
        /// By command line (`RETR 1`) or keyword (`RETR`); the line first.
        public var faults: [String: Fault] = [:]

        public init() {}
    }

    fileprivate struct State {
        var script: Script
        var lines: [String] = []
        var isDown = false
    }

    fileprivate let state: Mutex<State>
    private let listener: any Channel
    fileprivate let connections = Mutex<[any Channel]>([])

    private init(state: State, listener: any Channel) {
        self.state = Mutex(state)
        self.listener = listener
    }

    /// Starts on a free port of an address of its own, see `LoopbackAddress`.
    public static func start(_ script: Script) async throws -> ScriptedPOP3Server {
        let box = Box()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let server = box.server.withLock({ $0 }) else { return }
                    server.connections.withLock { $0.append(channel) }
                    try channel.pipeline.syncOperations.addHandler(ScriptedPOP3Handler(server: server))
                }
            }
            .bind(host: LoopbackAddress.next(), port: 0).get()
        let server = ScriptedPOP3Server(state: State(script: script), listener: listener)
        box.server.withLock { $0 = server }
        return server
    }

    /// The bootstrap's closure is made before the server is.
    private final class Box: Sendable {
        let server = Mutex<ScriptedPOP3Server?>(nil)
    }

    public var endpoint: Endpoint {
        Endpoint(host: listener.localAddress?.ipAddress ?? "", port: listener.localAddress?.port ?? 0)
    }

    /// All command lines received so far, over all connections, but for CAPA: a proxy asks that on its own account too.
    public var lines: [String] { state.withLock { $0.lines } }

    /// The messages held now.
    public var uniqueIDs: [String] { state.withLock { $0.script.messages.map(\.uniqueID) } }

    public func setFault(_ fault: Fault?, for command: String) {
        state.withLock { $0.script.faults[command] = fault }
    }

    /// Closes all connections at once, without a word.
    public func dropConnections() {
        let channels = connections.withLock { channels in
            defer { channels = [] }
            return channels
        }
        for channel in channels { channel.close(promise: nil) }
    }

    public func stop() async {
        try? await listener.close()
        dropConnections()
    }
}

/// One connection of a scripted server.
private final class ScriptedPOP3Handler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let server: ScriptedPOP3Server
    private var inbound = ByteBuffer()
    private var isStalled = false
    private var isLoggedIn = false
    private var messages: [ScriptedPOP3Server.Message] = []
    private var marked: Set<Int> = []
    /// What the next line is, if it is no command.
    private enum Exchange { case message(String), dismissal }
    private var exchange: Exchange?
    private var user = ""

    init(server: ScriptedPOP3Server) {
        self.server = server
    }

    func channelActive(context: ChannelHandlerContext) {
        let script = server.state.withLock { $0.script }
        write(script.greeting + "\r\n", fault: script.faults["greeting"], context: context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var received = unwrapInboundIn(data)
        inbound.writeBuffer(&received)
        while !isStalled, let end = inbound.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            let length = end - inbound.readerIndex + 1
            guard let text = inbound.readString(length: length) else { return }
            let line = text.filter { !$0.isNewline }
            let fault = server.state.withLock { state in
                if line != "CAPA" { state.lines.append(line) }
                let keyword = line.split(separator: " ").first.map { String($0) } ?? ""
                return state.script.faults[line] ?? state.script.faults[keyword]
            }
            write(answer(to: line), fault: fault, context: context)
            if line == "QUIT" { context.close(promise: nil) }
        }
    }

    private func write(_ text: String, fault: ScriptedPOP3Server.Fault?, context: ChannelHandlerContext) {
        var text = text
        var closes = false
        switch fault {
        case nil: break
        case .stall:
            text = ""
            isStalled = true
        case .close:
            text = ""
            closes = true
        case .reply(let other): text = other
        case .replyAndClose(let other):
            text = other
            closes = true
        case .cut(let count):
            text = String(decoding: text.utf8.prefix(count), as: UTF8.self)
            closes = true
        case .cutAndStall(let count):
            text = String(decoding: text.utf8.prefix(count), as: UTF8.self)
            isStalled = true
        case .delay(let time):
            let buffer = ByteBuffer(string: text)
            context.eventLoop.assumeIsolated().scheduleTask(in: time) {
                context.writeAndFlush(self.wrapOutboundOut(buffer), promise: nil)
            }
            return
        }
        if !text.isEmpty { context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil) }
        if closes {
            isStalled = true
            context.close(promise: nil)
        }
    }

    private func answer(to line: String) -> String {
        if let exchange { return answer(to: line, in: exchange) }
        let words = line.split(separator: " ").map { String($0) }
        let index = words.count > 1 ? (Int(words[1]) ?? 0) - 1 : -1
        switch words.first ?? "" {
        case "CAPA":
            guard let lines = server.state.withLock({ $0.script.capabilities }) else { break }
            return "+OK\r\n" + lines.map { $0 + "\r\n" }.joined() + ".\r\n"
        case "AUTH":
            exchange = .message(words[1])
            guard words.count == 3 else { return "+ \r\n" }
            return answer(to: words[2], in: .message(words[1]))
        case "USER":
            user = String(line.dropFirst(5))
            return "+OK\r\n"
        case "XCLIENT", "UTF8", "NOOP": return "+OK\r\n"
        case "PASS":
            let script = server.state.withLock { $0.script }
            guard line == "PASS \(script.password)", !script.refusedUsers.contains(user) else {
                return "-ERR [AUTH] Authentication failed.\r\n"
            }
            messages = script.messages
            return "+OK Logged in.\r\n"
        case "UIDL": return listing { $0.uniqueID }
        case "LIST": return listing { "\($0.listedOctets ?? $0.content.utf8.count)" }
        case "RETR":
            guard messages.indices.contains(index) else { return "-ERR There's no message.\r\n" }
            return "+OK \(messages[index].content.utf8.count) octets\r\n" + stuffed(messages[index].content) + ".\r\n"
        case "TOP":
            guard messages.indices.contains(index), let count = Int(words[2]) else { return "-ERR no\r\n" }
            return "+OK\r\n" + stuffed(top(messages[index].content, lines: count)) + ".\r\n"
        case "DELE":
            guard messages.indices.contains(index) else { return "-ERR There's no message.\r\n" }
            marked.insert(index)
            return "+OK Marked to be deleted.\r\n"
        case "QUIT":
            let gone = Set(marked.map { messages[$0].uniqueID })
            server.state.withLock { $0.script.messages.removeAll { gone.contains($0.uniqueID) } }
            return "+OK Logging out.\r\n"
        default: break
        }
        return "-ERR Unknown command.\r\n"
    }

    private func answer(to message: String, in exchange: Exchange) -> String {
        let script = server.state.withLock { $0.script }
        self.exchange = nil
        guard case .message(let mechanism) = exchange else { return "-ERR [AUTH] Authentication failed.\r\n" }
        if script.acceptedMessages.contains(message) {
            messages = script.messages
            return "+OK Logged in.\r\n"
        }
        guard mechanism != "PLAIN", let challenge = script.tokenChallenge else {
            return "-ERR [AUTH] Authentication failed.\r\n"
        }
        self.exchange = .dismissal
        return "+ \(challenge)\r\n"
    }

    private func listing(_ value: (ScriptedPOP3Server.Message) -> String) -> String {
        var text = "+OK\r\n"
        for (index, message) in messages.enumerated() { text += "\(index + 1) \(value(message))\r\n" }
        return text + ".\r\n"
    }

    private func stuffed(_ content: String) -> String {
        let lines = content.split(separator: "\r\n", omittingEmptySubsequences: false)
        return lines.map { $0.hasPrefix(".") ? "." + $0 : String($0) }.joined(separator: "\r\n")
    }

    private func top(_ content: String, lines: Int) -> String {
        let all = content.split(separator: "\r\n", omittingEmptySubsequences: false)
        let header = all.prefix { !$0.isEmpty }
        let body = all.dropFirst(header.count + 1).dropLast().prefix(lines)
        return (header + [""] + body).map { $0 + "\r\n" }.joined()
    }
}
