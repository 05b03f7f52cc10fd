internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import NIOSSL

/// What a connection's error says to an administrator: the system's own words, without the name of the call.
func plainText(_ error: any Error) -> String {
    switch error {
    case let error as IOError: String(cString: strerror(error.errnoCode))
    case let error as NIOConnectionError:
        error.connectionErrors.last.map { plainText($0.error) } ?? "host \(error.host) has no address"
    case ChannelError.connectTimeout: "no answer in time"
    case NIOSSLError.uncleanShutdown: "closed without a word"
    case is NIOSSLExtraError: "TLS: the certificate is for another name than the one in the configuration"
    case is NIOSSLError:
        "\(error)".contains("CERTIFICATE_VERIFY_FAILED")
            ? "TLS: the certificate is out of date, or signed by nobody that ca_file names" : "TLS: \(error)"
    default: "\(error)"
    }
}

/// What went wrong with a client's TLS, for the log; nil where it is only that the client has gone without a word, as many
/// mail programs do.
func tlsFault(_ error: any Error) -> String? {
    switch error {
    case NIOSSLError.uncleanShutdown: nil
    case is NIOSSLError, is BoringSSLError: "TLS: \(error)"
    default: nil
    }
}
