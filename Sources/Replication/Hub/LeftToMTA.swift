public import CoveyCore
public import Logging
import Synchronization

/// The lookup tables whose addresses stay with the MTA (`milter.leave_to_mta`): asked with postmap, each answer kept
/// for a minute (design §4.1).
public final class LeftToMTA: Sendable {
    /// How long an answer is kept (design §4.1).
    public static let lifetime = Duration.seconds(60)
    private static let mostEntries = 10_000

    private let tables: [String]
    private let logger: Logger
    private let program: String
    private let now: @Sendable () -> ContinuousClock.Instant
    private let cache = Mutex<[String: (contains: Bool, expires: ContinuousClock.Instant)]>([:])

    /// - Parameters:
    ///   - tables: as Postfix names them, `hash:/etc/postfix/virtual`.
    ///   - program: what is asked, as postmap(1) is.
    ///   - now: the time, for answers to age.
    public init(
        tables: [String], logger: Logger, program: String = "postmap",
        now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
    ) {
        self.tables = tables
        self.logger = logger
        self.program = program
        self.now = now
    }

    /// Whether a table knows the address, the address without its extension, or its domain (`@domain`).
    ///
    /// A table that cannot be asked knows everything: what the MTA would have done with an address must never be
    /// guessed, and the MTA's way through the back door is always right.
    public func contains(_ address: MailboxAddress) -> Bool {
        guard !tables.isEmpty else { return false }
        let key = address.key
        if let known = cached(key) { return known }
        var answer = false
        for table in tables where !answer {
            switch lookUp(LeftToMTA.keys(for: key), in: table) {
            case .success(let found): answer = found
            case .failure(let failure):
                // Not kept: the table may be there again for the next message.
                logger.error(
                    "lookup table cannot be asked; mail for the cluster goes through the MTA's queue",
                    metadata: ["table": "\(table)", "reason": "\(DeliveryLog.safe(failure.reason))"])
                return true
            }
        }
        remember(answer, for: key)
        return answer
    }

    /// What Postfix itself would look up (virtual(5), canonical(5)): the address, the address without its extension, the
    /// same without the domain (which counts where the domain is `$myorigin`), and the domain.
    public static func keys(for address: String) -> [String] {
        guard let at = address.lastIndex(of: "@") else { return [address] }
        let local = address[..<at]
        let domain = address[at...]
        var locals = [String(local)]
        for delimiter: Character in ["+", "-"] {
            if let end = local.firstIndex(of: delimiter), end != local.startIndex {
                locals.append(String(local[..<end]))
            }
        }
        return locals.map { $0 + domain } + locals + [String(domain)]
    }

    private struct LookupFailure: Error { var reason: String }

    private func lookUp(_ keys: [String], in table: String) -> Swift.Result<Bool, LookupFailure> {
        let input = keys.map { $0 + "\n" }.joined()
        guard let result = Command.run([program, "-q", "-", table], input: input, withErrors: true) else {
            return .failure(LookupFailure(reason: "\(program) cannot be run"))
        }
        // postmap(1) exits with 1 both when no key was found and when it could not look: only then it says why. A
        // warning, such as that of a database older than its source, is no reason.
        let words = result.output.split(separator: "\n").filter { !$0.contains("warning:") }
        switch (result.status, words.isEmpty) {
        case (0, _): return .success(true)
        case (1, true): return .success(false)
        default:
            return .failure(
                LookupFailure(reason: result.output.isEmpty ? "exit status \(result.status)" : result.output))
        }
    }

    private func cached(_ key: String) -> Bool? {
        cache.withLock { cache in
            guard let entry = cache[key], entry.expires > now() else { return nil }
            return entry.contains
        }
    }

    private func remember(_ answer: Bool, for key: String) {
        let expires = now() + LeftToMTA.lifetime
        cache.withLock { cache in
            if cache.count >= LeftToMTA.mostEntries { cache.removeAll(keepingCapacity: true) }
            cache[key] = (answer, expires)
        }
    }
}
