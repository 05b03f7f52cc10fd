import TestSupport
import Testing

extension RealServers {
    /// SMTP smuggling: what one server takes for the end of a message and another does not. Only CR LF . CR LF ends one
    /// (RFC 5321 §4.1.1.4).
    @Suite struct Smuggling {
        @Test func `What looks like the end of a message is part of it, or refused`() throws {
            try smuggle(Lab.current, carrier: "u52@example.com", victim: "u53@example.com", isStored: true)
        }
    }
}

extension RealServers.SendmailHubs {
    /// Debian's Sendmail refuses bare CR and LF and NUL by itself.
    @Test func `What looks like the end of a message to others is refused`() throws {
        try smuggle(Lab.current, carrier: "u20@example.com", victim: "u21@example.com", isStored: false)
    }
}

/// Ends that are none, as Python has them in a string.
private let shapes = [
    #"\n.\n"#, #"\n.\r\n"#, #"\r.\r\n"#, #"\r\n.\n"#, #"\r\n.\r"#, #"\r.\r"#, #"\r\n\0.\r\n"#, #"\r\n.\r\r\n"#,
    #"\r.\n"#,
    #"\n.\r"#, #"\r\n.\0\r\n"#,
]

/// A stranger sends a message with each of these and a whole second message after it, all at once.
private func smuggle(_ lab: Lab, carrier: String, victim: String, isStored: Bool) throws {
    try lab.waitForHubsToSeeAllServers()
    let output = try lab.exec(
        "client", "python3", "-c", smuggler, lab.address(of: "mh1"), carrier, victim, shapes.joined(separator: " "),
        seconds: 120)
    // One line for each shape: the replies after DATA.
    let replies = output.text.split(separator: "\n").map { $0.split(separator: " ") }
    try #require(replies.count == shapes.count, "\(output)")
    for (shape, codes) in zip(shapes, replies) {
        // One message has one reply; a 221 or nothing follows, never replies to MAIL, RCPT and DATA.
        #expect(codes.dropFirst().allSatisfy { $0 == "221" }, "\(shape): \(codes)")
        #expect(codes.first.map { isStored ? $0 == "250" : $0 != "250" } ?? false, "\(shape): \(codes)")
    }
    if isStored {
        let copies = try lab.copies(for: carrier, count: shapes.count)
        for copy in copies.values.joined() {
            let body = String(decoding: copy.body, as: UTF8.self)
            #expect(body.contains("Subject: Smuggled") && body.contains("evil"), "\(copy.subject): \(body)")
        }
    }
    try lab.wait(for: "an empty queue", { try lab.queue(of: "mh1") }, until: \.isEmpty)
    for server in lab.mailboxes { #expect(try lab.stored(for: victim, on: server) == []) }
}

/// Arguments: hub, recipient, whom the second message is for, shapes.
private let smuggler = #"""
    import socket, sys
    hub, user, victim, shapes = sys.argv[1:5]
    for number, shape in enumerate(shapes.split()):
        connection = socket.create_connection((hub, 25), 60)
        file = connection.makefile("rb")
        def reply():
            while True:
                line = file.readline()
                if line[3:4] != b"-":
                    return line[:3].decode()
        def command(line):
            connection.sendall(line.encode() + b"\r\n")
            return reply()
        reply()
        for line in "EHLO x.elsewhere.example", "MAIL FROM:<ann@elsewhere.example>", f"RCPT TO:<{user}>", "DATA":
            code = command(line)
            assert code in ("250", "354"), (line, code)
        second = f"MAIL FROM:<eve@elsewhere.example>\r\nRCPT TO:<{victim}>\r\nDATA\r\nSubject: Smuggled\r\n\r\nevil\r\n.\r\n"
        top = f"Subject: Carrier {number}\r\nFrom: ann@elsewhere.example\r\n\r\nfirst"
        end = shape.encode().decode("unicode_escape")
        connection.sendall((top + end + second + "QUIT\r\n").encode())
        codes = []
        try:
            while code := reply():
                codes.append(code)
        except OSError:
            # Closed with our octets unread.
            pass
        print(*codes)
    """#
