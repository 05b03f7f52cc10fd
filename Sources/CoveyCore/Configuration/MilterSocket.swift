/// `milter.socket`: a socket specification as libmilter's smfi_setconn takes it.
enum MilterSocket {
    /// Inside the directory that a chrooted smtpd sees as its root (facts 2).
    static let besidePostfix = "unix:/var/spool/postfix/covey/milter.sock"
    static let elsewhere = "unix:/run/covey/milter.sock"
    /// sun_path of sockaddr_un, with its final NUL (unix(7)).
    private static let longestPath = 107

    static func read(_ reader: TableReader, files: FileReader) -> String {
        let preset = files.files.exists("/var/spool/postfix") ? besidePostfix : elsewhere
        let kind = ValueKind<String>.checked(wanted: "a string", example: "\"\(besidePostfix)\"") {
            text throws(Complaint) in
            text.isEmpty ? preset : try check(text, files: files)
        }
        return reader.value("socket", kind, default: preset)
    }

    private static func check(_ text: String, files: FileReader) throws(Complaint) -> String {
        let quoted = Quoting.toml(text)
        let colon = text.firstIndex(of: ":")
        let scheme = colon.map { String(text[..<$0]) }
        let rest = colon.map { String(text[text.index(after: $0)...]) } ?? text
        switch scheme {
        case nil, "unix", "local":
            guard !rest.isEmpty else {
                throw Complaint("\(quoted) names no file", remedy: "write \"\(besidePostfix)\"")
            }
            let path = files.absolute(rest)
            guard path.utf8.count <= longestPath else {
                throw Complaint(
                    "\(path) is longer than the \(longestPath) octets that a socket's name may have",
                    remedy: "put the socket into a directory with a shorter name")
            }
            return "unix:\(path)"
        case "inet", "inet6":
            let parts = rest.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
            let number = try EndpointSyntax.port(parts.first ?? "", of: quoted)
            guard parts.count == 2, let host = parts.last, !host.isEmpty else {
                throw Complaint(
                    "\(quoted) would listen on every address", remedy: "write \"inet:\(number)@127.0.0.1\"")
            }
            guard let address = IPAddress(String(host)) else {
                throw Complaint(
                    "\(quoted) has no IP address behind the @", remedy: "write \"inet:\(number)@127.0.0.1\"")
            }
            let family: IPAddress.Family = scheme == "inet" ? .v4 : .v6
            guard address.family == family else {
                throw Complaint(
                    "\(quoted) has an address of the wrong family",
                    remedy: "write \"\(family == .v4 ? "inet6" : "inet"):\(number)@\(address)\"")
            }
            return "\(family == .v4 ? "inet" : "inet6"):\(number)@\(address)"
        default:
            throw Complaint("\(quoted) is no socket", remedy: "write \"unix:/PATH\" or \"inet:PORT@ADDRESS\"")
        }
    }
}
