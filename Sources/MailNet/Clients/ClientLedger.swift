internal import NIOCore

/// Connections and failed logins by client address (the like of Dovecot's anvil and its login penalty).
///
/// Pure: the caller gives the time. A failure is forgotten after a while, one at a time, so that an address shared by many
/// (an office behind one address) gets over one user's typing errors, and who guesses goes on at that pace at best.
struct ClientLedger {
    enum Login: Equatable {
        case ask
        /// Ask after that time.
        case askAfter(TimeAmount)
        /// Do not ask.
        case refuse
    }

    /// Failed logins that cost nothing: as many as one connection may have.
    static let freeFailures = 3
    /// Wait for the next one; doubled with each further failure (Dovecot's AUTH_PENALTY_INIT_SECS).
    static let firstDelay = TimeAmount.seconds(2)
    /// Mail programs give up after some 30 s without an answer (Dovecot's AUTH_PENALTY_MAX_SECS).
    static let longestDelay = TimeAmount.seconds(15)
    /// Failures from which on logins are refused at once: waiting clients cost connections.
    static let mostFailures = 20
    /// One failure is forgotten in that time: a guesser has 1,440 a day, a mail program that retries a wrong password
    /// counts once (see `credentials`).
    static let forgetTime = TimeAmount.minutes(1)
    /// What is beyond `mostFailures` still counts up to this, so that nobody is shut out for hours.
    static let failuresCounted = 30
    /// Different wrong passwords remembered of one address.
    private static let credentialsKept = 8
    /// Addresses that are kept with nothing but failures. An attacker has to fail a login for each.
    private static let addressesKept = 100_000

    private struct Record {
        var connections = 0
        var isTold = false
        var failures = 0
        /// When `failures` was brought up to date.
        var since = NIODeadline.uptimeNanoseconds(0)
        /// Hashes of what was wrong. The same again is no other guess: a mail program that nobody told of a new password
        /// shall not shut its neighbours out. (Dovecot does the same.)
        var credentials: [Int] = []

        mutating func forget(_ now: NIODeadline) {
            let forgotten = Int((now - since).nanoseconds / ClientLedger.forgetTime.nanoseconds)
            guard forgotten > 0 else { return }
            failures = max(0, failures - forgotten)
            since = since + ClientLedger.forgetTime * forgotten
            if failures == 0 { credentials = [] }
        }
    }

    private var records: [ClientAddress: Record] = [:]

    init() {}

    /// Addresses about which anything is known.
    var count: Int { records.count }

    enum Admission: Equatable {
        case admitted
        /// There are as many already.
        /// - Parameter isFirst: false until some of them have gone.
        case refused(isFirst: Bool)
    }

    /// A connection has come.
    mutating func connect(_ address: ClientAddress, limit: Int) -> Admission {
        guard records[address, default: Record()].connections < limit else {
            defer { records[address]?.isTold = true }
            return .refused(isFirst: records[address]?.isTold == false)
        }
        records[address, default: Record()].connections += 1
        return .admitted
    }

    /// A connection that was admitted has gone.
    mutating func disconnect(_ address: ClientAddress) {
        guard var record = records[address] else { return }
        record.connections -= 1
        record.isTold = false
        records[address] = record.connections == 0 && record.failures == 0 ? nil : record
    }

    /// What to do with a login.
    mutating func login(_ address: ClientAddress, at now: NIODeadline) -> Login {
        records[address]?.forget(now)
        let failures = records[address]?.failures ?? 0
        guard failures >= ClientLedger.freeFailures else { return .ask }
        guard failures < ClientLedger.mostFailures else { return .refuse }
        let doublings = min(failures - ClientLedger.freeFailures, 8)
        return .askAfter(min(ClientLedger.firstDelay * (1 << doublings), ClientLedger.longestDelay))
    }

    /// A server has refused the credentials.
    ///
    /// - Parameter credentials: a hash of them.
    /// - Returns: whether this was one too many: from now on logins are refused.
    mutating func failed(_ address: ClientAddress, credentials: Int, at now: NIODeadline) -> Bool {
        if records[address] == nil, records.count >= ClientLedger.addressesKept {
            clear(now)
            guard records.count < ClientLedger.addressesKept else { return false }
        }
        var record = records[address] ?? Record()
        record.forget(now)
        guard !record.credentials.contains(credentials) else { return false }
        if record.failures == 0 { record.since = now }
        if record.credentials.count == ClientLedger.credentialsKept { record.credentials.removeFirst() }
        record.credentials.append(credentials)
        record.failures = min(record.failures + 1, ClientLedger.failuresCounted)
        records[address] = record
        return record.failures == ClientLedger.mostFailures
    }

    private mutating func clear(_ now: NIODeadline) {
        records = records.filter { _, record in
            var record = record
            record.forget(now)
            return record.connections > 0 || record.failures > 0
        }
    }
}
