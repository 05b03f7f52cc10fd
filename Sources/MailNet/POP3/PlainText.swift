internal import Glibc
internal import NIOCore
internal import NIOPosix

/// What a connection's error says to an administrator: the system's own words, without the name of the call.
func plainText(_ error: any Error) -> String {
    switch error {
    case let error as IOError: String(cString: strerror(error.errnoCode))
    case let error as NIOConnectionError:
        error.connectionErrors.last.map { plainText($0.error) } ?? "host \(error.host) has no address"
    case ChannelError.connectTimeout: "no answer in time"
    default: "\(error)"
    }
}
