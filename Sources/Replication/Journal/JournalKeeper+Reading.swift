import CoveyCore
import Logging
import MailWire
import NIOCore

extension JournalKeeper {
    /// Reads what is new in one server's journal, all of it.
    func read(_ server: Int) async {
        let started = clock.now
        do {
            FreedMemory.giveBack(after: try await readToTheEnd(server))
            journals[server].attemptEnded(started, now: clock.now, isLoginRefused: false)
            journals[server].succeeded(started) {
                logger.notice("\($0)", metadata: ["server": "\(stores[server].name)"])
            }
        } catch {
            journals[server].attemptEnded(
                started, now: clock.now, isLoginRefused: (error as? any JournalFailure)?.isRefusedLogin ?? false)
            journals[server].failed(
                "\(error)", isServerSilent: (error as? any JournalFailure)?.isServerSilent ?? false
            ) {
                logger.error("\($0)", metadata: ["server": "\(stores[server].name)", "reason": "\(error)"])
            }
        }
    }

    /// A long journal comes in parts, each with a login of its own, so that never much of it is in memory at once.
    ///
    /// - Returns: how many entries were read.
    private func readToTheEnd(_ server: Int) async throws -> Int {
        var known = journals[server].known
        var entries = 0
        // Of a journal that is read from its beginning.
        var marks: [JournalMark]?
        while true {
            let reading = try await stores[server].read(known: known)
            if !known.isSubset(of: reading.uniqueIDs) {
                // Messages are gone: compacted by another proxy, or the journal is another one (a restored backup, a
                // new disk). What it holds is found out anew.
                known = []
                journals[server].known = []
                journals[server].foreign.formIntersection(reading.uniqueIDs)
                union.forgetHolder(server)
                marks = []
            }
            for message in reading.new {
                let contents = await contents(of: message.octets)
                entries += contents.entries.count
                for mark in take(contents, of: message.uniqueID, from: server) {
                    if marks == nil { touch.add(mark, foundOn: server) } else { marks?.append(mark) }
                }
                known.insert(message.uniqueID)
            }
            if known == reading.uniqueIDs || reading.new.isEmpty { break }
        }
        journals[server].known = known
        if let marks { touch.replace(marks, foundOn: server) }
        return entries
    }

    /// Not on the actor: while one journal's signatures are checked, another's can be, and sessions be answered.
    @concurrent
    private nonisolated func contents(of message: ByteBuffer) async -> JournalMessage.Contents {
        message.withUnsafeReadableBytes { JournalMessage.read($0, codec: codec) }
    }

    /// Takes a message's entries into the union; returns its marks.
    private func take(
        _ contents: JournalMessage.Contents, of uniqueID: String, from server: Int
    ) -> [JournalMark] {
        // However old: what time it is for the journals is known only when all of them were read.
        for entry in contents.entries { union.add(entry, heldBy: server) }
        if contents.isForeign, journals[server].foreign.insert(uniqueID).inserted {
            logger.warning(
                "journal message with lines that are not ours",
                metadata: [
                    "server": "\(stores[server].name)", "unique.id": "\(uniqueID)",
                    "lines": "\(contents.invalidLines)",
                ])
        }
        return contents.marks
    }
}
