import Foundation
import TestSupport
import Testing

extension RealServers {
    /// The mail programs that people use.
    @Suite struct POP3Programs {
        /// Each fetches all messages of a user into files of a directory and deletes them on the server.
        enum Program: String, CaseIterable {
            case poplib, curl, mpop, fetchmail, getmail

            /// Run on the host client; HOST, USER and DIRECTORY are filled in. Each message becomes one file below DIRECTORY.
            var script: String {
                switch self {
                case .poplib:
                    """
                    python3 -c '
                    import poplib
                    session = poplib.POP3("HOST", 1100)
                    session.user("USER"); session.pass_("secret")
                    for number in range(1, session.stat()[0] + 1):
                        open("DIRECTORY/%d" % number, "wb").write(b"".join(line + b"\\n" for line in session.retr(number)[1]))
                        session.dele(number)
                    session.quit()'
                    """
                case .curl:
                    """
                    url=pop3://HOST:1100
                    n=$(curl -sS --user USER:secret $url/ | wc -l)
                    for i in $(seq $n); do
                        curl -sS --user USER:secret $url/1 -o DIRECTORY/$i
                        curl -sS --user USER:secret --list-only --request DELE $url/1
                    done
                    """
                case .mpop:
                    """
                    mkdir -p DIRECTORY/new DIRECTORY/cur DIRECTORY/tmp
                    printf '%s\\n' 'defaults' 'tls off' 'account default' 'host HOST' 'port 1100' 'user USER' \
                        'password secret' 'auth user' 'keep off' 'received_header off' 'delivery maildir DIRECTORY' \
                        'uidls_file DIRECTORY.uidls' >DIRECTORY.rc
                    chmod 600 DIRECTORY.rc
                    mpop --file=DIRECTORY.rc
                    """
                case .fetchmail:
                    """
                    printf '%s\\n' 'poll HOST protocol pop3 port 1100 username "USER" password "secret"' \
                        '  nokeep fetchall sslproto "" mda "/bin/sh DIRECTORY.mda"' >DIRECTORY.rc
                    echo 'cat >$(mktemp -p DIRECTORY)' >DIRECTORY.mda
                    chmod 600 DIRECTORY.rc
                    fetchmail --fetchmailrc DIRECTORY.rc --pidfile DIRECTORY.pid --nosyslog --silent
                    """
                case .getmail:
                    // It refuses to write a Maildir as root.
                    """
                    mkdir -p DIRECTORY/new DIRECTORY/cur DIRECTORY/tmp DIRECTORY.state
                    printf '%s\\n' '[retriever]' 'type = SimplePOP3Retriever' 'server = HOST' 'port = 1100' \
                        'username = USER' 'password = secret' '[destination]' 'type = Maildir' 'path = DIRECTORY/' \
                        '[options]' 'delete = true' 'delivered_to = false' 'received = false' >DIRECTORY.state/rc
                    chown -R nobody:nogroup DIRECTORY DIRECTORY.state
                    setpriv --reuid nobody --regid nogroup --clear-groups env HOME=DIRECTORY.state \
                        getmail --getmaildir=DIRECTORY.state --rcfile=rc --quiet
                    """
                }
            }
        }

        /// - Parameter round: makes them other messages than those of other rounds, which were deleted for good.
        static func messages(_ round: String) -> [[UInt8]] {
            [
                note("Plain \(round)", body: "One line.\n\nAnother line.\n"),
                note("Dots \(round)", body: ".\n..\n.leading\nFrom here\n\n.\n \nlast\n"),
                note("Long \(round)", body: String(repeating: String(repeating: "y", count: 990) + "\n", count: 300)),
                note("Umlaut \(round)", fields: ["Content-Type: text/plain; charset=utf-8"], body: "Schöne Grüße\n"),
                note("No body \(round)", body: ""),
            ]
        }

        @Test("Mail programs fetch every message once, octet for octet, and delete it", arguments: Program.allCases)
        func fetchAndDelete(program: Program) throws {
            let lab = try Lab.current
            let user = "u\(54 + (Program.allCases.firstIndex(of: program) ?? 0))@example.com"
            for proxy in ["a", "b"] {
                let messages = POP3Programs.messages("\(program) \(proxy)")
                try lab.deliver(messages, to: user)
                #expect(try lab.counts(for: user) == [5, 5, 5])
                let directory = "/srv/\(program.rawValue)-\(proxy)"
                let script = program.script.replacingOccurrences(of: "HOST", with: lab.address(of: proxy))
                    .replacingOccurrences(of: "USER", with: user)
                    .replacingOccurrences(of: "DIRECTORY", with: directory)
                try lab.shell("client", "mkdir -m 777 \(directory)\n\(script)")
                // The answer to QUIT came after the last server's: there is nothing to wait for.
                #expect(try lab.counts(for: user) == [0, 0, 0], "\(program) at \(proxy)")
                #expect(
                    try lab.fetched(in: directory) == Set(messages.map(bodyWithLF)),
                    "\(program) at \(proxy)")
            }
        }

        @Test func `A connection that ends without QUIT deletes nothing anywhere`() throws {
            let lab = try Lab.current
            let user = "u36@example.com"
            try lab.deliver((1...3).map { note("Kept \($0)") }, to: user)
            for proxy in lab.mailboxes {
                let ids = try lab.maildrop(of: user, at: proxy)
                try {
                    let session = try lab.session(user, at: proxy)
                    for number in 1...3 { try session.expectOK("DELE \(number)") }
                    #expect(try session.command("STAT") == "+OK 0 0")
                }()
                try lab.wait(for: "the end of the session") {
                    lab.log(of: "covey-pop3d", on: proxy).contains {
                        $0.contains("session.user=\(user)") && $0.contains("client closed")
                    }
                }
                #expect(try lab.counts(for: user) == [3, 3, 3])
                #expect(try lab.maildrop(of: user, at: proxy) == ids)
            }
        }
    }
}

/// A message's body with LF, as programs on Unix keep it.
func bodyWithLF(_ message: [UInt8]) -> [UInt8] { StoredMessage(message.filter { $0 != UInt8(ascii: "\r") }).body }

extension Lab {
    /// Bodies of all messages below a directory of the host client; fails on a body that is there twice.
    fileprivate func fetched(in directory: String) throws -> Set<[UInt8]> {
        let root = disk(of: "client", directory)
        let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
        var bodies: Set<[UInt8]> = []
        for name in names {
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: "\(root)/\(name)", isDirectory: &isDirectory),
                !isDirectory.boolValue
            else { continue }
            let octets = [UInt8](FileManager.default.contents(atPath: "\(root)/\(name)") ?? Data())
            guard bodies.insert(bodyWithLF(octets)).inserted else { throw LabFailure("\(name) came twice") }
        }
        return bodies
    }
}
