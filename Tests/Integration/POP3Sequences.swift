/// What mail programs that cannot be run here say, in their order (facts 22). A dialogue is a list of commands, each with
/// the answer that the program needs: `+` one line, `*` several, `-` a refusal, which it takes.
enum POP3Sequence: String, CaseIterable {
    /// Thunderbird (Pop3Client.sys.mjs): capabilities first, and again after STLS; UIDL for the messages it has seen.
    case thunderbird
    /// Outlook (2007 and later): a bare AUTH to list mechanisms before anything else; UIDL before LIST.
    case outlook

    private var opening: [String] {
        switch self {
        case .thunderbird: ["*CAPA"]
        case .outlook: ["*CAPA", "*AUTH"]
        }
    }

    /// All that is said on a connection; USER is to be filled in. Messages 1 to `count` are fetched and deleted.
    func dialogue(_ tls: POP3Program.TLS, count: Int) -> [String] {
        var commands = opening
        if tls == .stls { commands += ["+STLS"] + opening }
        commands += ["+USER USER", "+PASS secret", "+STAT"]
        commands += self == .thunderbird ? ["*LIST", "*UIDL"] : ["*UIDL", "*LIST"]
        for number in 1...count {
            switch self {
            case .thunderbird: commands += ["*RETR \(number)", "+DELE \(number)"]
            // It looks before it fetches, and deletes in the end.
            case .outlook: commands += ["+LIST \(number)", "*TOP \(number) 0", "*RETR \(number)"]
            }
        }
        if self == .outlook { commands += (1...count).map { "+DELE \($0)" } }
        return commands + ["+QUIT"]
    }

    /// Runs a dialogue on the host client: python3 with HOST, PORT, the kind of TLS and a directory, the dialogue at its
    /// input. Bodies of RETR become files of the directory.
    static let interpreter = """
        import socket, ssl, sys
        host, port, tls, directory = sys.argv[1:]
        trust = ssl.create_default_context(cafile="/srv/ca.pem")
        connection = socket.create_connection((host, int(port)), 30)
        if tls == "implicit": connection = trust.wrap_socket(connection, server_hostname=host)
        def begin():
            global stream
            stream = connection.makefile("rb")
        begin()
        def line():
            octets = stream.readline()
            if not octets.endswith(b"\\r\\n"): sys.exit("cut: %r" % octets)
            return octets[:-2]
        greeting = line()
        if not greeting.startswith(b"+OK"): sys.exit("greeting: %r" % greeting)
        for command in sys.stdin.read().split("\\n"):
            kind, words = command[:1], command[1:]
            connection.sendall(words.encode() + b"\\r\\n")
            answer = line()
            if answer.startswith(b"+OK") != (kind in "+*"): sys.exit("%s: %r" % (words, answer))
            if words == "STLS":
                connection = trust.wrap_socket(connection, server_hostname=host)
                begin()
            if kind != "*": continue
            lines = []
            while True:
                octets = line()
                if octets == b".": break
                lines.append(octets[1:] if octets.startswith(b".") else octets)
            if words == "CAPA":
                for capability in [b"UIDL", b"TOP", b"USER"]:
                    if capability not in lines: sys.exit("CAPA lacks %r" % capability)
            if words.startswith("RETR"):
                with open("%s/%s" % (directory, words[5:]), "wb") as file:
                    file.write(b"".join(text + b"\\n" for text in lines))
        if stream.read() != b"": sys.exit("something after QUIT")
        """
}
