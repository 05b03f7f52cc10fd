import NIOCore

extension NIOBSDSocket.Option {
    /// Linux's TCP_USER_TIMEOUT, in milliseconds: gives a connection up when the peer's host has confirmed nothing that
    /// was sent to it for that long (RFC 5482 §1).
    ///
    /// A host that lost power says nothing. Without this, whoever has a connection to it would wait as long as for a
    /// server that is alive and thinks; TCP's confirmations tell the two apart.
    static let tcpUserTimeout = NIOBSDSocket.Option(rawValue: 18)
}

extension TimeAmount {
    /// As socket options want it.
    var socketOptionMilliseconds: Int { Int(nanoseconds / 1_000_000) }
}
