import CoveyCore
import MailWire
import NIOCore
import Replication
import Synchronization

/// A journal mailbox in memory, which can be down, or refuse to be written.
final class MemoryJournal: JournalStore {
    struct Down: JournalFailure, Equatable {
        var isRefusedLogin = false
        var isServerSilent: Bool
    }
    struct State {
        var messages: [(uniqueID: String, octets: ByteBuffer)] = []
        var next = 0
        var isDown = false
        /// Mail comes in, but nobody can log in.
        var isUnreadable = false
        /// It can be read, but takes nothing: its disk is full.
        var isFull = false
        /// Who begins to read waits until he gives up: his packets got lost.
        var isHanging = false
        /// Readers that wait so.
        var hanging = 0
        /// Why nobody can log in.
        var failure: (any Error)?
        /// Messages with deletions that were fetched.
        var fetched = 0
        /// A reading brings no more than that.
        var mostAtOnce = Int.max
    }

    let name: String
    let state = Mutex(State())

    init(_ name: String) { self.name = name }

    /// Messages with deletions; heartbeats are others.
    var messages: [ByteBuffer] {
        state.withLock { $0.messages.map(\.octets).filter { String(buffer: $0).contains("\r\ndeleted ") } }
    }
    /// Marks in it, in order.
    var marks: [JournalMark] {
        state.withLock { state in
            state.messages.flatMap {
                $0.octets.withUnsafeReadableBytes { JournalMessage.read($0, codec: JournalFixture.codec) }.marks
            }
        }
    }
    /// Puts a message there that some program wrote.
    func put(_ entries: [JournalEntry] = [], marks: [JournalMark] = [], codec other: JournalCodec? = nil) async {
        let heading = JournalMessage.Heading(mailbox: "j@x", host: "p", date: "-", messageID: "1@p")
        let text = JournalMessage.text(entries, marks: marks, heading, codec: other ?? JournalFixture.codec)
        _ = await append(ByteBuffer(string: text))
    }
    func setDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }

    func answers() async -> Bool { state.withLock { !$0.isDown } }

    func read(known: Set<String>) async throws -> JournalReading {
        if state.withLock(\.isHanging) {
            state.withLock { $0.hanging += 1 }
            try? await Task.sleep(for: .seconds(3600))
            throw Down(isServerSilent: true)
        }
        return try state.withLock { state in
            if let failure = state.failure { throw failure }
            if state.isDown || state.isUnreadable { throw Down(isServerSilent: state.isDown) }
            let new = state.messages.filter { !known.contains($0.uniqueID) }.prefix(state.mostAtOnce)
            state.fetched += new.count { String(buffer: $0.octets).contains("\r\ndeleted ") }
            return JournalReading(uniqueIDs: Set(state.messages.map(\.uniqueID)), new: Array(new))
        }
    }

    func append(_ text: ByteBuffer) async -> Bool {
        state.withLock { state in
            guard !state.isDown, !state.isFull else { return false }
            state.next += 1
            state.messages.append(("\(name)\(state.next)", text))
            return true
        }
    }

    func remove(_ uniqueIDs: Set<String>) async throws {
        try state.withLock { state in
            if state.isDown { throw Down(isServerSilent: true) }
            state.messages.removeAll { uniqueIDs.contains($0.uniqueID) }
        }
    }
}
