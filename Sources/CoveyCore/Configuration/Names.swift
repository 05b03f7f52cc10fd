/// What may stand where a host, a domain or a mailbox is named.
enum Names {
    /// Lower-case form of a mail or host domain, or why it is none (RFC 1035 §2.3.1, RFC 1123 §2.1).
    static func domain(_ text: String) throws(Complaint) -> String {
        let quoted = Quoting.toml(text)
        if text.isEmpty { throw Complaint("is empty", remedy: "write a domain such as \"example.com\"") }
        if text.contains("@") {
            throw Complaint("\(quoted) is a mail address", remedy: "write only the part behind the @")
        }
        if !text.allSatisfy(\.isASCII) {
            throw Complaint(
                "\(quoted) has letters outside ASCII", remedy: "write its ASCII form, which begins with \"xn--\"")
        }
        if text.hasSuffix(".") { throw Complaint("\(quoted) ends with a dot", remedy: "remove the dot") }
        if text.hasPrefix(".") { throw Complaint("\(quoted) begins with a dot", remedy: "remove the dot") }
        let lowered = text.lowercased()
        let labels = lowered.split(separator: ".", omittingEmptySubsequences: false)
        if let odd = lowered.first(where: { !isLabelCharacter($0) && $0 != "." }) {
            throw Complaint(
                "\(quoted) contains \(Quoting.toml(String(odd)))",
                remedy: "a domain is made of letters, digits, hyphens and dots")
        }
        guard lowered.utf8.count <= 253, labels.allSatisfy({ isLabel($0) }) else {
            throw Complaint(
                "\(quoted) is no domain",
                remedy: "its parts have 1 to 63 characters and neither begin nor end with a hyphen")
        }
        if labels.count < 2 {
            throw Complaint("\(quoted) has no dot", remedy: "write the full domain, such as \"\(lowered).example.com\"")
        }
        if lowered == reservedDomain || lowered.hasSuffix("." + reservedDomain) {
            throw Complaint(
                "\(quoted) is what Covey uses for its own routing", remedy: "write the domain that your users' mail has"
            )
        }
        return lowered
    }

    /// Under this name the MTA's queue routes missing copies (design §4.2).
    static let reservedDomain = "covey.invalid"

    /// A part of a domain name: 1 to 63 of a-z, 0-9 and inner hyphens.
    static func isLabel(_ text: some StringProtocol) -> Bool {
        (1...63).contains(text.utf8.count) && text.allSatisfy(isLabelCharacter)
            && text.first != "-" && text.last != "-"
    }

    private static func isLabelCharacter(_ character: Character) -> Bool {
        switch character {
        case "a"..."z", "0"..."9", "-": character.isASCII
        default: false
        }
    }

    /// A name for a hub, mailbox server or proxy.
    static func serverName(_ text: String) throws(Complaint) -> String {
        guard isLabel(text) else {
            throw Complaint(
                "\(Quoting.toml(text)) is no name for a server",
                remedy: "use 1 to 63 of a-z, 0-9 and hyphens, no hyphen at either end")
        }
        return text
    }

    /// A host name for an endpoint: like a domain, but one label will do.
    static func isHostName(_ text: String) -> Bool {
        let labels = text.lowercased().split(separator: ".", omittingEmptySubsequences: false)
        // A name whose last label is a number is an IPv4 address gone wrong (RFC 1123 §2.1).
        return text.utf8.count <= 253 && labels.allSatisfy { isLabel($0) } && labels.last.flatMap { Int($0) } == nil
    }

    /// The journal's address: lower-cased, a plain local part, without an extension, because both doors refuse it in
    /// just that form (design §6).
    static func mailbox(_ text: String) throws(Complaint) -> String {
        let quoted = Quoting.toml(text)
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, let local = parts.first, let host = parts.last else {
            throw Complaint("\(quoted) is no mail address", remedy: "write NAME@DOMAIN")
        }
        let lowered = local.lowercased()
        guard !lowered.isEmpty,
            lowered.allSatisfy({ isLabelCharacter($0) || $0 == "." || $0 == "_" }),
            !lowered.hasPrefix("."), !lowered.hasSuffix("."), !lowered.contains("..")
        else {
            throw Complaint(
                "\(quoted) has an unusual part before the @",
                remedy: "use letters, digits, hyphens, dots and underscores")
        }
        return "\(lowered)@\(try domain(String(host)))"
    }

    /// A name for a system user, as useradd(8) takes it.
    static func systemUser(_ text: String) throws(Complaint) -> String {
        guard let first = text.first, first == "_" || ("a"..."z").contains(first),
            text.utf8.count <= 32, text.allSatisfy({ isLabelCharacter($0) || $0 == "_" })
        else {
            throw Complaint("\(Quoting.toml(text)) is no user name", remedy: "write a system user such as \"covey\"")
        }
        return text
    }
}

/// What is wrong with a value, before it is known where the value stands.
struct Complaint: Error, Equatable {
    var message: String
    var remedy: String?

    init(_ message: String, remedy: String? = nil) {
        self.message = message
        self.remedy = remedy
    }
}

enum Quoting {
    /// A TOML basic string; also how values are quoted in messages, so that no control character reaches a terminal.
    static func toml(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\r": quoted += "\\r"
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value):
                let digits = String(scalar.value, radix: 16, uppercase: true)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
