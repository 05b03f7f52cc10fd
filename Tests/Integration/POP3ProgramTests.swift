import Foundation
import TestSupport
import Testing

extension RealServers {
    /// The mail programs that people use.
    @Suite struct POP3Programs {
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

        @Test("Mail programs fetch every message once, octet for octet, and delete it", arguments: POP3Program.allCases)
        func fetchAndDelete(program: POP3Program) throws {
            let lab = try Lab.current
            let user = "u\(54 + (POP3Program.allCases.firstIndex(of: program) ?? 0))@example.com"
            for proxy in ["a", "b"] {
                let messages = POP3Programs.messages("\(program) \(proxy)")
                try lab.deliver(messages, to: user)
                #expect(try lab.counts(for: user) == [5, 5, 5])
                let directory = "/srv/\(program.rawValue)-\(proxy)"
                let script = try #require(program.script(.none))
                try lab.fetch(script, proxy: lab.address(of: proxy), user: user, into: directory)
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
    /// Runs a mail program's script on the host client.
    func fetch(_ script: String, proxy: String, user: String, into directory: String) throws {
        let script = script.replacingOccurrences(of: "HOST", with: proxy)
            .replacingOccurrences(of: "USER", with: user).replacingOccurrences(of: "DIRECTORY", with: directory)
        try shell("client", "mkdir -m 777 \(directory)\n\(script)")
    }

    /// Bodies of all messages below a directory of the host client; fails on a body that is there twice.
    func fetched(in directory: String) throws -> Set<[UInt8]> {
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
