import CoveyCore
import MailWire

extension JournalKeeper {
    /// Waits for an attempt to read that server's journal that says something of the time after `since`, and tells how
    /// its login ended. The journals are read all the time: at the default `poll` that takes a second at most, or as
    /// long as the server delays a refusal. Where none ends within `login_timeout`, the last one counts.
    public func isLoginRefused(at name: String, since: ContinuousClock.Instant) async -> Bool {
        guard let server = stores.firstIndex(where: { $0.name == name }) else { return false }
        let deadline = clock.now + settings.patience
        while clock.now < deadline, !journals[server].wasAttempted(since: since) {
            do { try await clock.sleep(for: .milliseconds(20)) } catch { break }
        }
        return journals[server].isLoginRefused
    }
}
