import Glibc

/// An IPv4 or IPv6 address in its usual text form.
///
/// Text is checked and brought into canonical form by `init?(_:)` (inet_pton, inet_ntop), so two values are equal
/// exactly when they name the same address.
public struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    public enum Family: Sendable, Hashable { case v4, v6 }

    public let family: Family
    /// Canonical text: `192.0.2.1`, `2001:db8::1`.
    public let description: String

    /// Takes `192.0.2.1` or `2001:db8::1` (no brackets, no zone); nil for anything else.
    public init?(_ text: String) {
        if let canonical = IPAddress.canonical(text, family: AF_INET, length: INET_ADDRSTRLEN) {
            self.family = .v4
            self.description = canonical
        } else if let canonical = IPAddress.canonical(text, family: AF_INET6, length: INET6_ADDRSTRLEN) {
            self.family = .v6
            self.description = canonical
        } else {
            return nil
        }
    }

    private static func canonical(_ text: String, family: Int32, length: Int32) -> String? {
        var binary = in6_addr()  // large enough for both families
        guard inet_pton(family, text, &binary) == 1 else { return nil }
        var buffer = [CChar](repeating: 0, count: Int(length))
        guard inet_ntop(family, &binary, &buffer, socklen_t(length)) != nil else { return nil }
        return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }
}

/// Where to connect or listen: a host (address or name) and a port, written `192.0.2.1:110`, `[::1]:110`, `mx.example.com:25`.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// Address without brackets, or host name.
    public var host: String
    /// 1 to 65535.
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
