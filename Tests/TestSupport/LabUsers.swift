extension Lab {
    /// Adds users to the passwd-file of every mailbox server, with everybody's password, and waits until Dovecot knows them.
    public func addUsers(_ users: [String]) throws {
        let file = "/etc/dovecot/users"
        for server in mailboxes {
            try exec(
                server, "tee", "-a", file, input: Array(users.map { "\($0):{PLAIN}secret::::::\n" }.joined().utf8))
        }
        for server in mailboxes {
            // It looks at size and second alone: a user who came in another's place within a second is not seen.
            try wait(for: "\(users) on \(server)") {
                try attempt(server, ["sh", "-c", "touch \(file); doveadm user \(users.joined(separator: " "))"]).status
                    == 0
            }
        }
    }

    /// Takes them out again, with their mail.
    public func removeUsers(_ users: [String]) throws {
        for server in mailboxes {
            for user in users {
                let parts = user.split(separator: "@")
                try shell(
                    server,
                    """
                    sed -i '/^\(user):/d' /etc/dovecot/users
                    rm -rf '/var/vmail/\(parts[1])/\(parts[0])'
                    """)
            }
        }
    }
}
