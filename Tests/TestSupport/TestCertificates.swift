import Foundation

/// An authority of a test's own and certificates that it signs, as PEM files in a directory that goes with this object.
public final class TestCertificates: Sendable {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// For all tests that need one authority: making one takes five runs of openssl.
    public static let shared = Result { try TestCertificates() }
    /// And for those that need another besides.
    public static let other = Result { try TestCertificates() }

    private let directory: String
    /// The authority's certificate.
    public var authority: String { directory + "/ca.pem" }
    public var privateKey: String { directory + "/key.pem" }

    public init() throws {
        directory = NSTemporaryDirectory() + "covey-certificates-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for key in ["ca.key", "key.pem"] {
            try openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        }
        try openssl(
            "req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=Test authority", "-days", "2", "-out", "ca.pem")
        try openssl("req", "-new", "-key", "key.pem", "-subj", "/CN=Test server", "-out", "request.pem")
    }

    /// Puts a certificate and the key in other files, as an administrator or his tool does: each at once.
    public func install(_ certificate: String, as certificatePath: String, key keyPath: String) throws {
        for (source, target) in [(certificate, certificatePath), (privateKey, keyPath)] {
            let octets = try Data(contentsOf: URL(filePath: source))
            try octets.write(to: URL(filePath: target + ".new"))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: target + ".new")
            guard rename(target + ".new", target) == 0 else { throw Failure(description: "rename \(target)") }
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// Signs a certificate for `privateKey`; returns its file.
    ///
    /// - Parameter subject: as OpenSSL has it: `IP:192.0.2.1`, `DNS:a.example.com`, several with commas between.
    public func certificate(_ subject: String, expired: Bool = false) throws -> String {
        let name = UUID().uuidString
        try Data("subjectAltName=\(subject)\n".utf8).write(to: URL(filePath: "\(directory)/\(name).ext"))
        try openssl(
            "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "1",
            "-days", expired ? "-1" : "2", "-extfile", name + ".ext", "-out", name + ".pem")
        return "\(directory)/\(name).pem"
    }

    private func openssl(_ arguments: String...) throws {
        _ = try CommandOutput(
            of: ["sh", "-c", "cd \"$0\" && exec openssl \"$@\"", directory] + arguments, environment: [:], input: []
        ).successful("openssl")
    }
}
