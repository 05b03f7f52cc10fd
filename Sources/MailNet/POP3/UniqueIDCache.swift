internal import CoveyCore
internal import Synchronization

/// Remembers which id stands for a server's own unique-id, so that headers are read once and not at every login.
///
/// Losing it costs time only. Bounded: two generations, the older one is dropped when the newer is full.
final class UniqueIDCache: Sendable {
    struct Key: Hashable, Sendable {
        let server: String
        /// Unique-ids are unique within one maildrop (RFC 1939 §7).
        let user: String
        let uniqueID: String
        /// A server that takes its unique-ids from the mail may show one again for another message: the size tells most
        /// such messages apart.
        let octets: Int
    }

    private struct Generations {
        var new: [Key: MaildropID] = [:]
        var old: [Key: MaildropID] = [:]
    }

    private let capacity: Int
    private let generations = Mutex(Generations())

    /// - Parameter capacity: entries in one generation; twice as many are held at most.
    init(capacity: Int = 100_000) {
        self.capacity = capacity
    }

    func id(for key: Key) -> MaildropID? {
        generations.withLock { generations in
            if let id = generations.new[key] { return id }
            guard let id = generations.old[key] else { return nil }
            insert(id, for: key, into: &generations)
            return id
        }
    }

    func insert(_ id: MaildropID, for key: Key) {
        generations.withLock { insert(id, for: key, into: &$0) }
    }

    private func insert(_ id: MaildropID, for key: Key, into generations: inout Generations) {
        if generations.new.count >= capacity {
            generations.old = generations.new
            generations.new = [:]
        }
        generations.new[key] = id
    }
}
