/// Changes one key in the text of a configuration and leaves all else, comments included, as it is.
public enum ConfigurationEditor {
    /// Sets `milter.leave_to_mta`.
    ///
    /// - Parameters:
    ///   - tables: the whole new list.
    ///   - text: a configuration that the loader accepts.
    /// - Returns: the new text; nil when the key stands where it cannot be replaced safely (a dotted key, an inline
    ///   table), which is for a person to do.
    public static func settingLeaveToMTA(_ tables: [String], in text: String) -> String? {
        let assignment = "leave_to_mta = [" + tables.map(Quoting.toml).joined(separator: ", ") + "]"
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let locator = KeyLocator(text: text)
        guard let header = locator.line(of: "milter") else {
            let gap = text.isEmpty || text.hasSuffix("\n") ? "" : "\n"
            return "\(text)\(gap)\n[milter]\n\(assignment)\n"
        }
        guard isHeader(lines[header - 1]) else { return nil }
        guard let first = locator.line(of: "milter.leave_to_mta") else {
            lines.insert(assignment, at: header)
            return lines.joined(separator: "\n")
        }
        guard let last = locator.lastLine(of: "milter.leave_to_mta"),
            lines[first - 1].trimmingPrefix(while: \.isWhitespace).hasPrefix("leave_to_mta")
        else { return nil }
        let indent = lines[first - 1].prefix(while: \.isWhitespace)
        // What stands behind the closing bracket can only be a comment.
        let tail = lines[last.line - 1].utf8.dropFirst(last.column)
        lines[first - 1...last.line - 1] = ["\(indent)\(assignment)\(String(tail) ?? "")"]
        return lines.joined(separator: "\n")
    }

    private static func isHeader(_ line: String) -> Bool {
        line.trimmingPrefix(while: \.isWhitespace).hasPrefix("[")
    }
}
