/// The mail programs that people use. Each fetches all messages of a user into files of a directory and deletes them on
/// the server.
enum POP3Program: String, CaseIterable {
    case poplib, curl, mpop, fetchmail, getmail, neomutt

    /// How the connection is encrypted. Programs trust the authority in /srv/ca.pem and check the server's name.
    enum TLS: String, CaseIterable {
        case none, stls, implicit

        var port: Int { self == .implicit ? 995 : 1100 }
    }

    /// Run on the host client; HOST, USER and DIRECTORY are to be filled in. Each message becomes one file below
    /// DIRECTORY. Nil for what the program cannot do.
    func script(_ tls: TLS) -> String? {
        switch self {
        case .poplib: poplib(tls)
        case .curl: curl(tls)
        case .mpop: mpop(tls)
        case .fetchmail: fetchmail(tls)
        case .getmail: tls == .stls ? nil : getmail(tls)
        case .neomutt: neomutt(tls)
        }
    }

    private func poplib(_ tls: TLS) -> String {
        let opening =
            switch tls {
            case .none: "session = poplib.POP3(\"HOST\", 1100)"
            case .stls: "session = poplib.POP3(\"HOST\", 1100); session.stls(trust)"
            case .implicit: "session = poplib.POP3_SSL(\"HOST\", 995, context=trust)"
            }
        return """
            python3 -c '
            import poplib, os, ssl
            trust = ssl.create_default_context(cafile="/srv/ca.pem" if os.path.exists("/srv/ca.pem") else None)
            \(opening)
            session.user("USER"); session.pass_("secret")
            for number in range(1, session.stat()[0] + 1):
                open("DIRECTORY/%d" % number, "wb").write(b"".join(line + b"\\n" for line in session.retr(number)[1]))
                session.dele(number)
            session.quit()'
            """
    }

    private func curl(_ tls: TLS) -> String {
        let (scheme, options) =
            switch tls {
            case .none: ("pop3", "")
            case .stls: ("pop3", "--ssl-reqd --cacert /srv/ca.pem")
            case .implicit: ("pop3s", "--cacert /srv/ca.pem")
            }
        return """
            url=\(scheme)://HOST:\(tls.port)
            n=$(curl -sS \(options) --user USER:secret $url/ | wc -l)
            for i in $(seq $n); do
                curl -sS \(options) --user USER:secret $url/1 -o DIRECTORY/$i
                curl -sS \(options) --user USER:secret --list-only --request DELE $url/1
            done
            """
    }

    private func mpop(_ tls: TLS) -> String {
        let lines =
            switch tls {
            case .none: "'tls off'"
            case .stls: "'tls on' 'tls_starttls on' 'tls_trust_file /srv/ca.pem'"
            case .implicit: "'tls on' 'tls_starttls off' 'tls_trust_file /srv/ca.pem'"
            }
        return """
            mkdir -p DIRECTORY/new DIRECTORY/cur DIRECTORY/tmp
            printf '%s\\n' 'defaults' \(lines) 'account default' 'host HOST' 'port \(tls.port)' 'user USER' \
                'password secret' 'auth user' 'keep off' 'received_header off' 'delivery maildir DIRECTORY' \
                'uidls_file DIRECTORY.uidls' >DIRECTORY.rc
            chmod 600 DIRECTORY.rc
            mpop --file=DIRECTORY.rc
            """
    }

    private func fetchmail(_ tls: TLS) -> String {
        let options =
            switch tls {
            case .none: "sslproto \"\""
            case .stls: "sslproto \"TLS1.2+\" sslcertck sslcertfile \"/srv/ca.pem\""
            case .implicit: "ssl sslproto \"TLS1.2+\" sslcertck sslcertfile \"/srv/ca.pem\""
            }
        return """
            printf '%s\\n' 'poll HOST protocol pop3 port \(tls.port) username "USER" password "secret"' \
                '  nokeep fetchall \(options) mda "/bin/sh DIRECTORY.mda"' >DIRECTORY.rc
            echo 'cat >$(mktemp -p DIRECTORY)' >DIRECTORY.mda
            chmod 600 DIRECTORY.rc
            fetchmail --fetchmailrc DIRECTORY.rc --pidfile DIRECTORY.pid --nosyslog --silent
            """
    }

    private func getmail(_ tls: TLS) -> String {
        let retriever = tls == .none ? "'type = SimplePOP3Retriever'" : "'type = SimplePOP3SSLRetriever'"
        let trust = tls == .none ? "" : "'ca_certs = /srv/ca.pem'"
        // It refuses to write a Maildir as root.
        return """
            mkdir -p DIRECTORY/new DIRECTORY/cur DIRECTORY/tmp DIRECTORY.state
            printf '%s\\n' '[retriever]' \(retriever) 'server = HOST' 'port = \(tls.port)' \(trust) \
                'username = USER' 'password = secret' '[destination]' 'type = Maildir' 'path = DIRECTORY/' \
                '[options]' 'delete = true' 'delivered_to = false' 'received = false' >DIRECTORY.state/rc
            chown -R nobody:nogroup DIRECTORY DIRECTORY.state
            setpriv --reuid nobody --regid nogroup --clear-groups env HOME=DIRECTORY.state \
                getmail --getmaildir=DIRECTORY.state --rcfile=rc --quiet
            """
    }

    private func neomutt(_ tls: TLS) -> String {
        let lines =
            switch tls {
            case .none: "'set ssl_starttls=no' 'set ssl_force_tls=no'"
            case .stls, .implicit:
                "'set ssl_starttls=yes' 'set ssl_force_tls=yes' 'set ssl_ca_certificates_file=/srv/ca.pem'"
            }
        let scheme = tls == .implicit ? "pops" : "pop"
        // It wants a terminal.
        return """
            mkdir -p DIRECTORY.home DIRECTORY/new DIRECTORY/cur DIRECTORY/tmp
            printf '%s\\n' 'set pop_host="\(scheme)://HOST:\(tls.port)"' 'set pop_user="USER"' 'set pop_pass=secret' \
                'set pop_delete=yes' 'set mbox_type=Maildir' 'set folder=DIRECTORY.home' 'set spoolfile=DIRECTORY' \
                'set quit=yes' 'set move=no' 'set wait_key=no' 'set confirmappend=no' 'set pop_authenticators="user"' \
                \(lines) 'push "<fetch-mail><quit>"' >DIRECTORY.rc
            HOME=DIRECTORY.home TERM=xterm timeout 30 script -qec 'neomutt -n -F DIRECTORY.rc' /dev/null </dev/null
            """
    }
}
