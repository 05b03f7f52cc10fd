/// What a cluster promised and did not keep.
public struct ChaosViolation: Sendable, CustomStringConvertible {
    public enum Rule: String, Sendable, CaseIterable {
        case refused = "a good message was refused for good"
        case damaged = "octets that nobody sent"
        case changedMeaning = "a unique-id stands for another message than before"
        case twice = "a message is there twice"
        case cameBack = "a message is listed whose deletion was acknowledged"
        case lost = "an accepted message that nobody deleted is missing"
        case unequal = "servers or proxies differ in the end"
    }

    public var rule: Rule
    public var user: String
    public var detail: String
    /// All that happened to the message, in order of time, and the faults between.
    public var story: [ChaosEvent]

    public var description: String {
        "\(rule.rawValue): \(user): \(detail)\n" + story.map { "    \($0)\n" }.joined()
    }
}

/// Compares what senders and mail programs saw with what the design promises (§2, §4.1, §5, §6).
///
/// Pure. A deletion whose QUIT had no +OK may stand or not; a message without a 250 may be there once or not at all.
public struct ChaosChecker {
    /// Seconds: `journal.poll`. A login goes by readings of the journals that are no older (design §6). So where a sender
    /// offers a message again while its owner deletes it, and all servers store it anew, a login that begins so soon after
    /// the deletion's +OK may list it once more.
    public static let poll = 1.0

    private let events: [ChaosEvent]
    private let views: [ChaosView]
    private var violations: [ChaosViolation] = []

    private init(_ events: [ChaosEvent], _ views: [ChaosView]) {
        self.events = events.sorted { $0.time < $1.time }
        self.views = views
    }

    /// - Parameters:
    ///   - events: in any order.
    ///   - views: every user at every proxy and on every server, when all is healed.
    public static func violations(in events: [ChaosEvent], endingIn views: [ChaosView]) -> [ChaosViolation] {
        var checker = ChaosChecker(events, views)
        checker.checkAnswers()
        checker.checkMeanings()
        checker.checkDeletions()
        checker.checkEnd()
        return checker.violations
    }

    private mutating func checkAnswers() {
        for event in events {
            switch event.kind {
            case .refused(let message, let reason):
                report(.refused, event.user, "message \(message): \(reason)", message: message)
            case .fetched(let id, nil): report(.damaged, event.user, "\(id) at \(event.place)", id: id)
            case .listed(let ids):
                for id in ChaosChecker.repeated(ids) {
                    report(.twice, event.user, "\(id) in one listing at \(event.place)", id: id)
                }
            case .accepted, .putOff, .fetched, .deleted, .notDeleted, .fault: break
            }
        }
    }

    /// Every place and time that showed which message an id stands for.
    private mutating func checkMeanings() {
        struct Key: Hashable {
            var user: String
            var name: String
        }
        var meanings: [Key: Int] = [:]
        var names: [Key: String] = [:]
        let seen = events.compactMap { event -> (String, String, Int)? in
            guard case .fetched(let id, let message?) = event.kind else { return nil }
            return (event.user, id, message)
        }
        let final = views.flatMap { view in
            view.messages.compactMap { entry in entry.message.map { (view.user, entry.id, $0) } }
        }
        for (user, id, message) in seen + final {
            let meaning = meanings[Key(user: user, name: id), default: message]
            meanings[Key(user: user, name: id)] = meaning
            if meaning != message {
                report(
                    .changedMeaning, user, "\(id): message \(meaning), then message \(message)", message: message,
                    id: id)
            }
            let key = Key(user: user, name: "\(message)")
            let name = names[key, default: id]
            names[key] = name
            if name != id {
                report(.twice, user, "message \(message) as \(name) and as \(id)", message: message, id: id)
            }
        }
    }

    private mutating func checkDeletions() {
        let messages = messagesByID()
        let offers = lastOffers()
        let listings = lastListings()
        for deletion in events {
            guard case .deleted(let ids) = deletion.kind else { continue }
            for id in ids {
                let key = deletion.user + " " + id
                let offer = messages[key].flatMap { offers[$0] } ?? -.infinity
                // A session that logged in before the QUIT was answered may have seen the message still.
                let end = deletion.time + (offer > deletion.begin ? ChaosChecker.poll : 0)
                if let last = listings[key], last.begin > end {
                    report(.cameBack, deletion.user, "\(id) at \(last.place)", id: id)
                }
                for view in views where view.user == deletion.user && view.messages.contains(where: { $0.id == id }) {
                    report(.cameBack, deletion.user, "\(id) at \(view.place) in the end", id: id)
                }
            }
        }
    }

    /// When each message was last offered by a sender, stored or not.
    private func lastOffers() -> [Int: Double] {
        events.reduce(into: [:]) { offers, event in
            if let message = event.offered { offers[message] = event.time }
        }
    }

    /// By user and id, the last session to begin that listed it. An hour has tens of thousands of listings and deletions:
    /// each is looked at once.
    private func lastListings() -> [String: (begin: Double, place: String)] {
        var listings: [String: (begin: Double, place: String)] = [:]
        for event in events {
            guard case .listed(let ids) = event.kind else { continue }
            for id in ids {
                let key = event.user + " " + id
                if let last = listings[key], last.begin >= event.begin { continue }
                listings[key] = (event.begin, event.place)
            }
        }
        return listings
    }

    private mutating func checkEnd() {
        let ids = messagesByID()
        var perhapsDeleted: Set<Int> = []
        for event in events {
            switch event.kind {
            case .deleted(let gone), .notDeleted(let gone, _):
                for id in gone { if let message = ids[event.user + " " + id] { perhapsDeleted.insert(message) } }
            default: break
            }
        }
        var accepted: [Int: String] = [:]
        for event in events {
            if case .accepted(let message) = event.kind { accepted[message] = event.user }
        }
        for view in views {
            for entry in view.messages where entry.message == nil {
                report(.damaged, view.user, "\(entry.id) at \(view.place) in the end", id: entry.id)
            }
            // Several files of one id on one server are one message.
            let isServer = view.place.hasPrefix("server ")
            let messages = isServer ? Array(Set(view.messages.map(\.id))) : view.messages.map(\.id)
            for id in ChaosChecker.repeated(messages) { report(.twice, view.user, "\(id) at \(view.place)", id: id) }
            let held = Set(view.messages.compactMap(\.message))
            for (message, user) in accepted where user == view.user && !perhapsDeleted.contains(message) {
                guard !held.contains(message) else { continue }
                report(.lost, user, "message \(message) at \(view.place)", message: message)
            }
        }
        for (user, views) in Dictionary(grouping: views, by: \.user) {
            guard let first = views.first else { continue }
            let expected = Set(first.messages.map(\.id))
            for view in views.dropFirst() {
                let here = Set(view.messages.map(\.id))
                for id in expected.symmetricDifference(here).sorted() {
                    report(.unequal, user, "\(id) is at only one of \(first.place) and \(view.place)", id: id)
                }
            }
        }
    }

    /// Which message a user's id was first seen to be: by user and id.
    private func messagesByID() -> [String: Int] {
        Dictionary(
            events.compactMap { event -> (String, Int)? in
                guard case .fetched(let id, let message?) = event.kind else { return nil }
                return (event.user + " " + id, message)
            }, uniquingKeysWith: { first, _ in first })
    }

    // MARK: telling

    private mutating func report(
        _ rule: ChaosViolation.Rule, _ user: String, _ detail: String, message: Int? = nil, id: String? = nil
    ) {
        // The message by its id, and the id by its message: the story has both.
        var messages: Set<Int> = message.map { [$0] } ?? []
        var ids: Set<String> = id.map { [$0] } ?? []
        for event in events where event.user == user {
            guard case .fetched(let id, let message?) = event.kind else { continue }
            if ids.contains(id) || messages.contains(message) {
                ids.insert(id)
                messages.insert(message)
            }
        }
        let story = events.filter { event in
            if case .fault = event.kind { return true }
            guard event.user == user else { return false }
            return event.message.map(messages.contains) ?? false || event.ids.contains(where: ids.contains)
        }
        violations.append(ChaosViolation(rule: rule, user: user, detail: detail, story: story))
    }

    private static func repeated(_ ids: [String]) -> Set<String> {
        var seen: Set<String> = []
        return Set(ids.filter { !seen.insert($0).inserted })
    }
}
