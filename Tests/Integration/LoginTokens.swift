import MailWire
import TestSupport

/// JSON Web Tokens, which stand for a password.
extension Lab {
    /// Lets a Dovecot take tokens that are signed with a key.
    func takeTokens(at server: String, key: String) throws {
        try exec(
            server, "sh", "-c", "cat >>/etc/dovecot/local.conf",
            input: text(
                """
                auth_mechanisms = plain login oauthbearer xoauth2
                passdb {
                  driver = oauth2
                  mechanisms = oauthbearer xoauth2
                  args = /etc/dovecot/oauth2.conf
                }

                """))
        try exec(
            server, "sh", "-c", "cat >/etc/dovecot/oauth2.conf",
            input: text(
                """
                introspection_mode = local
                local_validation_key_dict = fs:posix:prefix=/etc/dovecot/keys/
                username_attribute = email

                """))
        try exec(
            server, "sh", "-c",
            "mkdir -p /etc/dovecot/keys/default/HS256 && cat >/etc/dovecot/keys/default/HS256/default",
            input: Base64.encode(key.utf8))
        try stop(.dovecot, on: server)
        try start(.dovecot, on: server)
    }

    /// A JSON Web Token (RFC 7519) for a user, valid for an hour.
    func token(for user: String, key: String) throws -> String {
        try exec(
            "client", "python3", "-c",
            """
            import base64, hmac, json, sys, time
            encode = lambda octets: base64.urlsafe_b64encode(octets).rstrip(b"=")
            user, key = sys.argv[1:]
            now = int(time.time())
            parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": user, "email": user, "iat": now - 60, "exp": now + 3600}]
            text = b".".join(encode(json.dumps(part).encode()) for part in parts)
            print((text + b"." + encode(hmac.new(key.encode(), text, "sha256").digest())).decode())
            """, user, key
        ).line
    }

    /// A connection to a proxy that knows by now that its servers take tokens.
    func sessionOfferedTokens(at proxy: String) throws -> POP3Connection {
        try wait(
            for: "tokens at proxy \(proxy)", within: 90,
            {
                let session = try POP3Connection(address(of: proxy))
                _ = try session.line()
                try session.expectOK("CAPA")
                return (session, try session.lines())
            }, until: { $0.1.contains("SASL PLAIN LOGIN OAUTHBEARER XOAUTH2") }
        ).0
    }
}
