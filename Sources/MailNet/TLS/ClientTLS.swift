public import CoveyCore
internal import Glibc
public import Logging
internal import NIOCore
internal import NIOSSL
internal import Synchronization

/// The certificate that mail programs are shown, with its private key: `certificate` and `private_key` of `[pop3]`.
///
/// The files are read again when they have changed; connections that begin from then on get the new certificate.
public final class ClientTLS: Sendable {
    private struct State {
        var context: NIOSSLContext
        var change: SettledChange<[Stamp]>
    }

    /// What tells one state of a file from another; zeros where it is not there.
    private struct Stamp: Equatable {
        var inode = UInt64(0)
        var size = 0
        var seconds = 0
        var nanoseconds = 0

        init(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return }
            inode = UInt64(status.st_ino)
            size = Int(status.st_size)
            seconds = status.st_mtim.tv_sec
            nanoseconds = status.st_mtim.tv_nsec
        }
    }

    /// Octets; more than any chain of certificates has.
    private static let largestFile = 1 << 20

    private let certificate: String
    private let privateKey: String
    private let state: Mutex<State>

    /// Reads two PEM files: the certificate with its intermediates behind it, and its key. Throws `CertificateFault`.
    public init(certificate: String, privateKey: String) throws {
        self.certificate = certificate
        self.privateKey = privateKey
        // Before the files are read: a change while they are read is seen later.
        let change = SettledChange([Stamp(certificate), Stamp(privateKey)])
        state = Mutex(State(context: try ClientTLS.read(certificate, privateKey), change: change))
    }

    /// What makes a connection an encrypted one, to be put first in its pipeline, in this order.
    func handlers() -> [any ChannelHandler] {
        [NIOSSLServerHandler(context: state.withLock(\.context)), SmallRecords()]
    }

    /// Looks whether the files have changed, and reads them if so. What cannot be used is told, and the old certificate
    /// stays. To be called every few seconds, not from an event loop.
    func refresh(logger: Logger) {
        let stamps = [Stamp(certificate), Stamp(privateKey)]
        guard state.withLock({ $0.change.isDue(stamps) }) else { return }
        do {
            let context = try ClientTLS.read(certificate, privateKey)
            state.withLock { $0.context = context }
            logger.notice("Certificate reloaded", metadata: ["file": "\(certificate)"])
        } catch {
            logger.error(
                "Certificate not reloaded, the old one stays in force", metadata: ["problem": "\(error)"])
        }
    }

    /// To be called once the daemon is nobody but its user: what root could read cannot be read again.
    public func warnIfUnreadable(logger: Logger) {
        for path in [certificate, privateKey] where access(path, R_OK) != 0 {
            logger.warning(
                "The daemon's user cannot read this file again: a changed certificate counts after a restart only",
                metadata: ["file": "\(path)"])
        }
    }

    private static func read(_ certificate: String, _ privateKey: String) throws -> NIOSSLContext {
        try context(octets(certificate, .certificate), octets(privateKey, .privateKey))
    }

    private static func octets(_ path: String, _ blamed: CertificateFault.File) throws(CertificateFault) -> [UInt8] {
        do throws(FileAccessError) {
            return try SystemFiles().read(path, limit: largestFile).octets
        } catch {
            throw CertificateFault(file: blamed, message: "\(path) cannot be read: \(error.text)")
        }
    }

    /// What is wrong with a certificate and its key, in PEM format; nil when they can be used. For `ConfigurationLoader`.
    public static func fault(certificate: [UInt8], privateKey: [UInt8]) -> CertificateFault? {
        do throws(CertificateFault) {
            _ = try context(certificate, privateKey)
            return nil
        } catch {
            return error
        }
    }

    private static func context(
        _ certificate: [UInt8], _ privateKey: [UInt8]
    ) throws(CertificateFault) -> NIOSSLContext {
        guard let chain = try? NIOSSLCertificate.fromPEMBytes(certificate), !chain.isEmpty else {
            throw CertificateFault(
                file: .certificate, message: "no certificate can be read from it", remedy: "it takes PEM format")
        }
        guard let key = try? NIOSSLPrivateKey(bytes: privateKey, format: .pem) else {
            throw CertificateFault(
                file: .privateKey, message: "no private key can be read from it",
                remedy: "it takes PEM format, without a passphrase")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12  // RFC 8996
        guard let context = try? NIOSSLContext(configuration: configuration) else {
            throw CertificateFault(
                file: .privateKey, message: "is not the key of the first certificate in pop3.certificate",
                remedy: "name the pair; in the certificate's file the proxy's own comes first, its issuers follow")
        }
        return context
    }
}

/// Says when files are to be read again: they are others than those read last, and were the same at the last look, so
/// that of two files that are replaced one after the other never a new and an old one are taken for a pair.
///
/// Pure. What was once told to be due is not again, whatever was in it.
struct SettledChange<Stamp: Equatable> {
    private var read: Stamp
    private var last: Stamp

    init(_ stamp: Stamp) {
        read = stamp
        last = stamp
    }

    mutating func isDue(_ stamp: Stamp) -> Bool {
        defer { last = stamp }
        guard stamp != read, stamp == last else { return false }
        read = stamp
        return true
    }
}
