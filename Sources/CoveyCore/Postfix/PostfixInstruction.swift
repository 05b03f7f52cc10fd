/// One thing to do to a Postfix, or one thing that must not be so; a line of `covey postfix`'s output.
///
/// The lines say what is wanted, not how the Postfix at hand gets there: `postfix/setup` merges them with what it finds.
public enum PostfixInstruction: Sendable, Equatable {
    /// A parameter of main.cf gets this value.
    case set(String, String)
    /// A list in main.cf gets this element at its end; what is there stays.
    case append(String, String)
    /// Like `append`, but only where the list is not empty.
    case appendIfSet(String, String)
    /// A list in main.cf gets this element at its start.
    case prepend(String, String)
    /// The list in main.cf, and every smtpd in master.cf that overrides it, get this element at their start.
    case prependEverywhere(String, String)
    /// The list in main.cf, and every smtpd in master.cf that overrides it with something, get this element at their
    /// end. Stops when something stands behind the element already.
    case lastEverywhere(String, String)
    /// Like `append`, before a `permit` or `reject` that ends the list.
    case appendRule(String, String)
    /// An entry of master.cf, `NAME/TYPE`, with its eight fields; an older one of the name is replaced.
    case service(String, String)
    /// Like `service`, but only where there is none of the name.
    case serviceIfMissing(String, String)
    /// An option of a service of ours, `NAME/TYPE/PARAMETER`.
    case option(String, String)
    /// A file of ours below /etc/postfix/covey, with its lines.
    case file(String, [String])
    /// A directory, with owner, group and mode.
    case directory(String, String)
    /// Stops when this domain is in that list.
    case forbidDomain(String, String)
    /// Stops when this parameter has a value, in main.cf or for any service in master.cf; the text is the remedy.
    case forbidSet(String, String)
    /// Stops when a table of this parameter changes this address.
    case forbidRewrite(String, String)
    /// Stops when an smtpd in master.cf runs chrooted; the text is the remedy.
    case forbidChroot(String, String)
    /// The tables of this parameter must be among `milter.leave_to_mta`, and this user must be able to ask them.
    case leaveToMTA(String, String)
    /// Warns when a table of this parameter has one of these actions.
    case warnActions(String, String)

    /// The line, or for a file the lines, without a newline at the end.
    var text: String {
        switch self {
        case .set(let name, let value): "set \(name) = \(value)"
        case .append(let name, let value): "append \(name) = \(value)"
        case .appendIfSet(let name, let value): "append-if-set \(name) = \(value)"
        case .prepend(let name, let value): "prepend \(name) = \(value)"
        case .prependEverywhere(let name, let value): "prepend-everywhere \(name) = \(value)"
        case .lastEverywhere(let name, let value): "last-everywhere \(name) = \(value)"
        case .appendRule(let name, let value): "append-rule \(name) = \(value)"
        case .service(let name, let value): "service \(name) = \(value)"
        case .serviceIfMissing(let name, let value): "service-if-missing \(name) = \(value)"
        case .option(let name, let value): "option \(name) = \(value)"
        case .file(let name, let lines): (["file \(name) ="] + lines.map { "| \($0)" }).joined(separator: "\n")
        case .directory(let path, let value): "directory \(path) = \(value)"
        case .forbidDomain(let name, let value): "forbid-domain \(name) = \(value)"
        case .forbidSet(let name, let value): "forbid-set \(name) = \(value)"
        case .forbidRewrite(let name, let value): "forbid-rewrite \(name) = \(value)"
        case .forbidChroot(let name, let value): "forbid-chroot \(name) = \(value)"
        case .leaveToMTA(let name, let user): "leave-to-mta \(name) = \(user)"
        case .warnActions(let name, let value): "warn-actions \(name) = \(value)"
        }
    }
}
