import CoveyCore
import MailWire

/// How long a login waits for the journals.
extension JournalKeeper {
    /// A login that finds a reading older than `poll`, or than what it asks for, waits for a new one; not for a journal that
    /// cannot be read.
    func waitForReadings(since: ContinuousClock.Instant?) async {
        let deadline = clock.now + settings.patience
        var returned: Set<Int> = []
        if let since {
            wanted = max(wanted ?? since, since)
            for server in stores.indices where journals[server].isOlder(than: since) {
                journals[server].sleeper?.cancel()
            }
            returned = await askTheSilent()
            for server in returned { hurry(server) }
        }
        func isDue(_ server: Int) -> Bool {
            if let since, returned.contains(server) { return !journals[server].wasRead(since: since) }
            return journals[server].isStale(now: clock.now, limit: settings.poll)
                || since.map(journals[server].isOlder) ?? false
        }
        while clock.now < deadline, stores.indices.contains(where: isDue) {
            try? await clock.sleep(for: .milliseconds(since == nil ? 20 : 2))
        }
    }

    /// Servers whose journals could not be read, because they were silent, and that answer now.
    ///
    /// A proxy that was cut off from the others knows nothing of what was deleted meanwhile, and the next attempt to read
    /// may be seconds away: so long it would show what is deleted to whoever reaches it again. A server that is down costs
    /// a fifth of a second here.
    private func askTheSilent() async -> Set<Int> {
        let silent = stores.indices.filter {
            journals[$0].wasTried && !journals[$0].isReadable && journals[$0].isServerSilent
        }
        guard !silent.isEmpty else { return [] }
        let questions = silent.map { server in
            let store = stores[server]
            let question = journals[server].question ?? Task { await store.answers() }
            journals[server].question = question
            return (server, question)
        }
        var returned: Set<Int> = []
        for (server, question) in questions {
            if await question.value { returned.insert(server) }
            if journals[server].question == question { journals[server].question = nil }
        }
        return returned
    }

    /// Has a journal read now. The attempt that hangs since its server was silent is given up; not those that follow, for a
    /// long journal takes its time.
    private func hurry(_ server: Int) {
        guard !journals[server].isReadable, !journals[server].isAwaited else { return }
        journals[server].isAwaited = true
        journals[server].attempt?.cancel()
        journals[server].sleeper?.cancel()
    }
}
