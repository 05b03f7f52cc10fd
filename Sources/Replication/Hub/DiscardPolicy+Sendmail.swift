extension DiscardPolicy {
    /// What forbids DISCARD with Sendmail, or nil.
    ///
    /// Sendmail has no BCC maps of Postfix's kind, but FEATURE(`bcc'), and filters that add recipients; quarantine is no
    /// obstacle as long as the milter hears of it.
    ///
    /// - Parameter configuration: sendmail.cf.
    public static func obstacle(sendmail configuration: String) -> String? {
        var hearsOfQuarantine = false
        var hasFilters = false
        for line in configuration.split(separator: "\n") {
            // `O Name=value` (op.me, section 5.6).
            let equals = line.firstIndex(of: "=") ?? line.endIndex
            let name = line[..<equals].filter { $0 != " " }.lowercased()
            let value = line[equals...].dropFirst()
            switch name {
            case "omilter.macros.eom":
                hearsOfQuarantine = items(value).contains("{quarantine}")
            case "oinputmailfilters":
                hasFilters = true
                if let other = items(value).first(where: { $0 != filter }) { return beside(other) }
            case "odaemonportoptions":
                if let other = perDaemonFilters(value).first(where: { $0 != filter }) { return beside(other) }
            case "oaddbcc" where value.first == "T" || value.first == "t" || value.first == "1":
                return "AddBcc is set"
            default: continue
            }
        }
        guard hasFilters else { return "InputMailFilters does not name \(filter)" }
        return hearsOfQuarantine ? nil : "Milter.macros.eom lacks {quarantine}"
    }

    /// As the rendered INPUT_MAIL_FILTER names it.
    private static let filter = "covey"

    /// Recipients that another filter added would be dropped with the message.
    private static func beside(_ other: String) -> String { "the filter \(other) may add recipients" }

    private static func items(_ list: Substring) -> [String] {
        list.split { $0 == "," || $0 == ";" || $0 == " " || $0 == "\t" }.map(String.init)
    }

    /// `Name=MTA, InputMailFilters=a;b, …`; a name may be shortened to its first letter.
    private static func perDaemonFilters(_ options: Substring) -> [String] {
        options.split(separator: ",").flatMap { option -> [String] in
            let pair = option.split(separator: "=", maxSplits: 1)
            let name = pair.first?.filter { $0 != " " } ?? ""
            guard name.first == "I", pair.count == 2 else { return [] }
            return items(pair[1])
        }
    }
}
