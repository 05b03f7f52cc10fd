import Foundation

extension Lab {
    /// Looks again and again until what it sees is as it should be.
    ///
    /// - Parameters:
    ///   - what: what is waited for, for the failure's text.
    ///   - seconds: how long at most.
    ///   - look: what there is to see now. An error counts as not yet.
    /// - Returns: what was seen in the end.
    /// - Throws: `LabFailure` with what was seen last.
    @discardableResult
    public func wait<Seen>(
        for what: String, within seconds: Double = 30, _ look: () throws -> Seen, until isRight: (Seen) -> Bool
    ) throws -> Seen {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while true {
            let last: String
            do {
                let seen = try look()
                if isRight(seen) { return seen }
                last = "\(seen)"
            } catch {
                last = "\(error)"
            }
            guard Date() < deadline else {
                throw LabFailure("waited \(seconds) s for \(what); saw last: \(last.prefix(4000))")
            }
            usleep(100_000)
        }
    }

    /// Waits until a condition holds.
    public func wait(for what: String, within seconds: Double = 30, _ condition: () throws -> Bool) throws {
        try wait(for: what, within: seconds, condition, until: { $0 })
    }
}
