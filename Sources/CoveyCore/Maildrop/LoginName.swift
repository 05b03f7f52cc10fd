/// Login names and what they stand for (design §5): the login name is the mailbox address.
public enum LoginName {
    /// Lower-cased, with `@defaultDomain` added where there is no @. This form goes to the servers and to the journal.
    public static func mailbox(for name: String, defaultDomain: String?) -> String {
        let name = name.lowercased()
        guard let defaultDomain, !name.contains("@") else { return name }
        return "\(name)@\(defaultDomain)"
    }
}
