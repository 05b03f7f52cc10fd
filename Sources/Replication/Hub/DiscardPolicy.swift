import CoveyCore
public import Logging
import Synchronization

/// Whether DISCARD is safe: it makes the MTA drop everything about a message, what BCC maps, HOLD, FILTER and REDIRECT
/// would have done with it included (facts 3).
///
/// Postfix is asked by postconf, where there is none Sendmail's configuration is read; the answer is refreshed once a
/// minute, so that a setting made today is respected without a restart.
public final class DiscardPolicy: Sendable {
    private let allowed = Mutex(false)
    private let logger: Logger

    private let program: String
    private let sendmailConfiguration: String

    /// - Parameters:
    ///   - program: what is asked, as postconf(1) is.
    ///   - sendmailConfiguration: the file that a Sendmail without Postfix beside it works by.
    public init(
        logger: Logger, program: String = "postconf", sendmailConfiguration: String = "/etc/mail/sendmail.cf"
    ) {
        self.logger = logger
        self.program = program
        self.sendmailConfiguration = sendmailConfiguration
    }

    /// False until `refresh` has seen that nothing forbids it.
    public var mayDiscard: Bool { allowed.withLock { $0 } }

    /// Asks the MTA anew.
    public func refresh() async {
        let reason = await obstacle()
        let was = allowed.withLock { allowed in
            defer { allowed = reason == nil }
            return allowed
        }
        if was != (reason == nil) {
            logger.notice(
                "messages stored everywhere are \(reason == nil ? "discarded" : "passed on to be removed") by the MTA",
                metadata: ["reason": "\(reason ?? "nothing in its configuration needs them")"])
        }
    }

    private func obstacle() async -> String? {
        // Nil: there is no such program.
        if let main = await Command.runAside([program, "-x"]) {
            let services = await Command.runAside([program, "-xP"])
            return DiscardPolicy.obstacle(
                main: main.status == 0 ? main.output : nil, services: services?.status == 0 ? services?.output : nil)
        }
        do throws(FileAccessError) {
            let file = try SystemFiles().read(sendmailConfiguration, limit: 4 << 20)
            return DiscardPolicy.obstacle(sendmail: String(decoding: file.octets, as: UTF8.self))
        } catch {
            return "\(program) cannot be run, and \(sendmailConfiguration): \(error.text)"
        }
    }

    /// Settings with any value are an obstacle.
    private static let settings: Set<Substring> = [
        "always_bcc", "sender_bcc_maps", "recipient_bcc_maps", "header_checks", "mime_header_checks",
        "nested_header_checks", "body_checks", "milter_header_checks",
    ]

    /// What forbids DISCARD, or nil. Unreadable settings do.
    ///
    /// - Parameters:
    ///   - main: output of `postconf -x`: `name = value`.
    ///   - services: output of `postconf -xP`: `service/type/name = value`.
    public static func obstacle(main: String?, services: String?) -> String? {
        guard let main, let services, !main.isEmpty else { return "postconf cannot be run" }
        for line in main.split(separator: "\n") + services.split(separator: "\n") {
            guard let equals = line.firstRange(of: " =") else { continue }
            let name = line[..<equals.lowerBound].split(separator: "/").last ?? ""
            let value = line[equals.upperBound...].drop { $0 == " " }
            if settings.contains(name), !value.isEmpty { return "\(name) is set" }
            // Restriction classes have names of their own, so every setting is looked at.
            if let word = action(in: value) {
                return "\(name) has \(word)"
            }
        }
        return nil
    }

    /// The first access table or policy server in a restriction list, other than our own refusal of covey.invalid.
    private static func action(in restrictions: Substring) -> Substring? {
        let words = restrictions.split { $0 == " " || $0 == "," || $0 == "\t" }
        for (index, word) in words.enumerated() {
            guard word == "check_policy_service" || (word.hasPrefix("check_") && word.hasSuffix("_access")) else {
                continue
            }
            let table = index + 1 < words.count ? words[index + 1] : ""
            if !table.contains("/covey/") { return word }
        }
        return nil
    }
}
