import CoveyCore

/// Verdicts as letters, one per server: S stored, U unknown user, G refused for good, T refused for now, D down,
/// F fate unknown after the final dot.
enum VerdictNotation {
    static let quota = ReplyText(code: 552, enhanced: "5.2.2", text: "mailbox full")
    static let unknown = ReplyText(code: 550, enhanced: "5.1.1", text: "no such user")
    static let busy = ReplyText(code: 451, enhanced: "4.2.0", text: "index is being rebuilt")

    static func read(_ letters: Substring) -> [CopyVerdict] {
        letters.map { letter in
            switch letter {
            case "S": .stored
            case "U": .unknownUser(unknown)
            case "G": .refusedForGood(quota)
            case "T": .refusedForNow(busy)
            case "D": .noAnswer("connection refused")
            default: .fateUnknown("closed after the final dot")
            }
        }
    }

    /// Every word of so many letters.
    static func all(_ servers: Int) -> [String] {
        guard servers > 0 else { return [""] }
        return all(servers - 1).flatMap { word in "SUGTDF".map { word + String($0) } }
    }

    static func minimum(_ text: String) -> ClusterConfiguration.Milter.MinCopies {
        Int(text).map { .count($0) } ?? .all
    }
}
