/// What is wrong with the proxy's certificate or its private key.
public struct CertificateFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// Whose fault it is.
    public enum File: Sendable, Equatable { case certificate, privateKey }

    public var file: File
    public var message: String
    /// What to do about it.
    public var remedy: String?

    public init(file: File, message: String, remedy: String? = nil) {
        self.file = file
        self.message = message
        self.remedy = remedy
    }

    public var description: String {
        let key = file == .certificate ? "pop3.certificate" : "pop3.private_key"
        return "\(key): \(message)" + (remedy.map { "; \($0)" } ?? "")
    }
}

/// Says what is wrong with the contents of two PEM files, a certificate and its key. This module knows no TLS: MailNet's
/// `ClientTLS.fault` is one.
public typealias CertificateCheck = (_ certificate: [UInt8], _ privateKey: [UInt8]) -> CertificateFault?

/// The files of the proxy's certificate, where the program needs them: there, the key's own secret, and a pair.
struct CertificateFiles {
    let reader: TableReader
    let files: FileReader

    func check(certificate: String?, privateKey: String?) {
        guard files.needs.contains(.certificateFiles) else { return }
        let chain = octets(certificate, "certificate") { path throws(Complaint) in try files.contents(path) }
        let key = octets(privateKey, "private_key") { path throws(Complaint) in try files.secret(path) }
        guard let chain, let key, let fault = files.certificateCheck?(chain, key) else { return }
        switch fault.file {
        case .certificate: complain("certificate", certificate, fault)
        case .privateKey: complain("private_key", privateKey, fault)
        }
    }

    private func octets(
        _ path: String?, _ key: String, _ read: (String) throws(Complaint) -> [UInt8]
    ) -> [UInt8]? {
        guard let path else { return nil }
        do throws(Complaint) {
            return try read(path)
        } catch {
            reader.complain(key, error)
            return nil
        }
    }

    private func complain(_ key: String, _ path: String?, _ fault: CertificateFault) {
        reader.complain(key, Complaint("\(path ?? ""): \(fault.message)", remedy: fault.remedy))
    }
}
