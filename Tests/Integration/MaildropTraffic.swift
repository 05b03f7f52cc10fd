import Foundation
import Synchronization
import TestSupport

/// Mail programs that fetch lists of messages again and again, as users behind a round-robin name do: from one address, and
/// from the next when that one does not serve.
final class MaildropTraffic: Sendable {
    struct Result: Sendable {
        var done = 0
        /// Sessions that only the second address served.
        var retried = 0
        /// What both addresses said where neither served.
        var failures: [String] = []
    }

    private struct State {
        var result = Result()
        var isEnding = false
    }
    private final class Notes: Sendable {
        let state = Mutex(State())
    }

    private let notes = Notes()
    private let readers: [Background<Void>]

    init(_ lab: Lab, users: [String], readers: Int) {
        let notes = notes
        self.readers = (0..<readers).map { reader in
            Background {
                var number = reader
                while !notes.state.withLock(\.isEnding), number < 100_000 {
                    let user = users[number % users.count]
                    let proxies = (0..<lab.mailboxes.count).map {
                        lab.mailboxes[(number + $0) % lab.mailboxes.count]
                    }
                    MaildropTraffic.session(of: user, at: proxies, in: lab, notes)
                    number += 1
                    // As often as an impatient user, not as fast as the machine can.
                    usleep(50_000)
                }
            }
        }
    }

    private static func session(of user: String, at proxies: [String], in lab: Lab, _ notes: Notes) {
        var said: [String] = []
        for proxy in proxies.prefix(2) {
            do {
                _ = try lab.maildrop(of: user, at: proxy)
                notes.state.withLock {
                    $0.result.done += 1
                    $0.result.retried += said.isEmpty ? 0 : 1
                }
                return
            } catch {
                said.append("\(proxy): \(error)")
            }
        }
        notes.state.withLock { $0.result.failures.append("\(user): \(said)") }
    }

    /// Lets the sessions under way finish.
    func end() throws -> Result {
        notes.state.withLock { $0.isEnding = true }
        for reader in readers { try reader.wait() }
        return notes.state.withLock(\.result)
    }
}
