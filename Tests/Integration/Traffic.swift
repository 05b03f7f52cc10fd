import Foundation
import Synchronization
import TestSupport

/// Senders that send one message after the other until told to stop, and note each answer.
final class Traffic: Sendable {
    /// What the senders share.
    private final class Notes: Sendable {
        struct State {
            /// By message; nil where the connection ended without an answer, or there is none yet.
            var answers: [LabReply?] = []
            var isEnding = false
        }
        let state = Mutex(State())

        /// The next message to send; nil when it is enough.
        func next() -> Int? {
            state.withLock { state in
                guard !state.isEnding, state.answers.count < 100_000 else { return nil }
                state.answers.append(nil)
                return state.answers.count - 1
            }
        }
    }

    private let notes = Notes()
    private let senders: [Background<Void>]

    convenience init(_ lab: Lab, user: String, hub: String, senders: Int) {
        self.init(lab, users: [user], hub: hub, senders: senders)
    }

    /// - Parameters:
    ///   - users: who get the messages, in turn.
    ///   - pause: of each sender after each message, in milliseconds.
    init(_ lab: Lab, users: [String], hub: String, senders: Int, pause: UInt32 = 0) {
        let notes = notes
        self.senders = (0..<senders).map { _ in
            Background {
                while let number = notes.next() {
                    let outcome = try? lab.send(Traffic.message(number), to: [users[number % users.count]], at: hub)
                    let answer = outcome.map { $0.message ?? $0.recipients.first ?? $0.sender }
                    notes.state.withLock { $0.answers[number] = answer }
                    // A refused sender does not come back at once: two hundred of them would do nothing else.
                    usleep(answer?.code == 250 ? pause * 1000 : 300_000)
                }
            }
        }
    }

    /// Messages accepted so far.
    var accepted: Int { notes.state.withLock { state in state.answers.count { $0?.code == 250 } } }

    /// Lets the senders finish, and returns the answer to each message, nil for a connection that ended without one.
    func end() throws -> [LabReply?] {
        notes.state.withLock { $0.isEnding = true }
        for sender in senders { try sender.wait() }
        return notes.state.withLock(\.answers)
    }

    static func message(_ number: Int) -> [UInt8] {
        note("Traffic \(number)", body: String(repeating: "x\n", count: 20_000))
    }
}
