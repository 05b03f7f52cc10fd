import Foundation
import Synchronization
import TestSupport
import Testing

extension RealServers {
    /// What × missed where × read back through, each cell ending with a full comparison (after Cyrus' Cassandane).
    ///
    /// One test for each outage, with all cells that share it; they come in this order and build on each other.
    @Suite(.lab(mailboxes: 2, suffix: "-maildrops", users: MaildropCell.all.count)) struct Maildrops {
        enum Outage: Sendable, CustomTestStringConvertible {
            case missed(MaildropCell.Missed)
            /// The server of that name gets yesterday's disk back, after all those deletions.
            case restored(String)
            /// Likewise, an empty disk.
            case empty(String)

            var testDescription: String {
                switch self {
                case .missed(let missed): "missed: \(missed.rawValue)"
                case .restored(let server): "\(server) restored from a backup"
                case .empty(let server): "\(server) with an empty disk"
                }
            }

            static let all =
                MaildropCell.Missed.allCases.map { Outage.missed($0) } + [
                    .restored("a"), .restored("b"), .empty("a"), .empty("b"),
                ]
        }

        /// The first test prepares for all.
        private static let matrix = Mutex<MaildropMatrix?>(nil)

        @Test("Whatever was missed wherever, every message is there once or gone for good", arguments: Outage.all)
        func outage(_ outage: Outage) throws {
            let lab = try Lab.current
            let matrix = try Maildrops.matrix.withLock { matrix in
                let made = try matrix ?? MaildropMatrix(lab)
                matrix = made
                return made
            }
            let start = Date()
            // Also when something else is thrown.
            defer { #expect(matrix.takeComplaints() == []) }
            var cells = MaildropCell.all
            var lost: String?
            switch outage {
            case .missed(let missed):
                cells = cells.filter { $0.missed == missed }
                try matrix.act(missed)
            // All users' mail was on that disk; these users are looked at.
            case .restored(let server):
                cells = cells.filter { $0.what == .restored }
                lost = server
                try matrix.restore(server)
                try matrix.readBack(cells)
            case .empty(let server):
                cells = cells.filter { $0.what == .empty }
                lost = server
                try matrix.replaceDisk(of: server)
                try matrix.readBack(cells)
            }
            try matrix.compare(cells, lost: lost)
            let seconds = Int(-start.timeIntervalSinceNow)
            print("maildrops: \(outage.testDescription): \(cells.count) cells compared, \(seconds) s")
        }
    }
}
