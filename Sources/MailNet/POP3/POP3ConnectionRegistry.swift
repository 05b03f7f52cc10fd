internal import NIOCore
internal import Synchronization

/// The proxy's open client connections: counted against `max_connections`, and known so that they can be ended.
final class POP3ConnectionRegistry: Sendable {
    private let limit: Mutex<Int>
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    init(limit: Int) {
        self.limit = Mutex(limit)
    }

    /// Connections that are there stay, even where they are more.
    func change(limit: Int) {
        self.limit.withLock { $0 = limit }
    }

    var all: [any Channel] {
        channels.withLock { Array($0.values) }
    }

    /// Takes a new connection in until it closes; false if there are too many.
    func admit(_ channel: any Channel) -> Bool {
        let id = ObjectIdentifier(channel)
        let limit = limit.withLock { $0 }
        let isAdmitted = channels.withLock { channels in
            guard channels.count < limit else { return false }
            channels[id] = channel
            return true
        }
        if isAdmitted {
            channel.closeFuture.whenComplete { _ in
                self.channels.withLock { _ = $0.removeValue(forKey: id) }
            }
        }
        return isAdmitted
    }
}
