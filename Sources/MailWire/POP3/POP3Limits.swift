/// Bounds on what a POP3 peer may send before it is told off (client) or given up (mailbox server).
public enum POP3Limits {
    /// Longest command line taken from a client, octets without line end. RFC 2449 §4 asks for 255 with CRLF; passwords
    /// and SASL continuation lines of real mail programs are longer.
    public static let commandLine = 1_000
    /// Longest line of a SASL exchange, octets without line end, and of an AUTH command, along with which many programs
    /// send more than RFC 5034 §4 allows. The lines may be as long as the mechanisms' messages (ibid.): tokens have some
    /// thousand octets. RFC 4954 §4 has this number for SMTP.
    public static let saslLine = 12_288
    /// Lines of a server's CAPA response that are looked at.
    public static let capabilities = 100
    /// Longest first line of a server's response, octets without CRLF. RFC 2449 §4 allows 512 with CRLF; some servers
    /// put a whole sentence and a session id there.
    public static let statusLine = 2_000
    /// Longest line of a server's UIDL or LIST response, octets without CRLF: a number, a space and a unique-id.
    public static let listingLine = 512
    /// Longest unique-id, octets. RFC 1939 §7 allows 70; ids longer than this are no ids.
    public static let uniqueID = 255
    /// Most messages taken from one server's maildrop.
    public static let messages = 2_000_000
    /// Longest header section looked at, octets; what is beyond is not looked at.
    public static let headerSection = 256 * 1_024
    /// Bad commands in one session before it is ended (Dovecot's number).
    public static let badCommands = 20
    /// Refused passwords on one connection before it is ended (Dovecot's number).
    public static let failedLogins = 3
}
