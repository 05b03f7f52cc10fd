internal import CoveyCore
internal import MailWire
internal import NIOCore

/// Brings one message from the mailbox servers to the client, with back-pressure and fail-over (design §5, RETR/TOP).
final class POP3Retrieval {
    /// A copy that can be tried: the number is that in the session with its server.
    struct Source {
        /// Index in the configuration.
        let server: Int
        let backend: POP3Backend
        let number: Int
        let octets: Int
    }

    /// What the retrieval wants done. All calls come on the event loop, in order, `ended` last.
    struct Client {
        /// The message is there: `octets` of the copy, nil for TOP.
        let begin: (_ octets: Int?) -> Void
        let write: (ByteBuffer) -> Void
        let flush: () -> Void
        /// The copy on the first server could not be read to its end; that on the second one is tried.
        let failOver: (_ from: Int, _ to: Int) -> Void
        let isWritable: () -> Bool
        let end: (POP3Session.RetrievalEnd) -> Void
    }

    /// Lines of the body, nil for the whole message.
    private let lines: Int?
    private var sources: ArraySlice<Source>
    private var current: Source? {
        didSet {
            if let oldValue { load.ended(oldValue.server) }
            if let current { load.began(current.server) }
        }
    }
    private let load: POP3ServerLoad
    /// The server that was given up last.
    private var failed: Int?
    private var relay = MessageRelay()
    private var hasBegun = false
    private let client: Client
    private var isDone = false

    /// - Parameter sources: in the order in which to try them.
    init(sources: [Source], lines: Int?, load: POP3ServerLoad, client: Client) {
        self.sources = sources[...]
        self.load = load
        self.lines = lines
        self.client = client
    }

    func start() {
        tryNextSource()
    }

    /// The client takes octets again.
    func resume() {
        current?.backend.setReading(true)
    }

    /// The session is over: nothing more is wanted, `end` is not called.
    func cancel() {
        isDone = true
        current = nil
    }

    private func tryNextSource() {
        while let source = sources.popFirst() {
            guard source.backend.isAlive else { continue }
            current = source
            if let failed { client.failOver(failed, source.server) }
            source.backend.readComplete = { [weak self] in self?.client.flush() }
            let command: POP3BackendCommand = lines.map { .top(source.number, lines: $0) } ?? .retr(source.number)
            source.backend.enqueue(command) { event in self.receive(event, from: source) }
            source.backend.flush()
            return
        }
        finish(hasBegun ? .brokenOff : .impossible)
    }

    private func receive(_ event: POP3Backend.Event, from source: Source) {
        // A server that was given up may still be sending.
        guard !isDone, current?.backend === source.backend, current?.number == source.number else { return }
        switch event {
        case .challenge, .line: break
        case .status(let status):
            // Its `.end` follows, but what was refused is over now.
            if !status.isOK { giveUp(source, close: false) }
        case .body(let octets):
            switch relay.receive(octets) {
            case .nothing: break
            case .send(let buffers): send(buffers, from: source)
            case .mismatch: giveUp(source, close: true)
            }
        case .end(let octets):
            if let rest = relay.sourceEnded(octets: octets, announced: lines == nil ? source.octets : nil) {
                if !hasBegun || !rest.isEmpty { send(rest, from: source) }
                finish(.complete)
            } else {
                giveUp(source, close: false)
            }
        case .failed:
            giveUp(source, close: false)
        }
    }

    private func send(_ buffers: [ByteBuffer], from source: Source) {
        if !hasBegun {
            hasBegun = true
            client.begin(lines == nil ? source.octets : nil)
        }
        for buffer in buffers {
            client.write(buffer)
        }
        if !client.isWritable() { source.backend.setReading(false) }
    }

    /// - Parameter close: the server is in the middle of a response that nobody wants.
    private func giveUp(_ source: Source, close: Bool) {
        current = nil
        failed = source.server
        source.backend.readComplete = nil
        source.backend.setReading(true)
        if close { source.backend.close() }
        guard relay.nextSource() else { return finish(hasBegun ? .brokenOff : .impossible) }
        tryNextSource()
    }

    private func finish(_ end: POP3Session.RetrievalEnd) {
        guard !isDone else { return }
        isDone = true
        if let backend = current?.backend {
            backend.readComplete = nil
            backend.setReading(true)
        }
        current = nil
        client.end(end)
    }
}
