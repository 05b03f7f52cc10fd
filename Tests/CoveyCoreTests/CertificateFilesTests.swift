import CoveyCore
import Testing

@Suite struct CertificateFilesTests {
    private static let text =
        SampleConfiguration.small + """
            [pop3]
            certificate = "pop.pem"
            private_key = "pop.key"

            """
    private static let firstLine = SampleConfiguration.small.count { $0 == "\n" } + 1

    private static func load(
        certificateMode: UInt32 = 0o644, keyMode: UInt32? = 0o640, check: CertificateCheck? = nil
    ) -> [String] {
        var files = FakeFiles(text)
        files.add("/etc/covey/pop.pem", "the certificate", mode: certificateMode)
        if let keyMode { files.add("/etc/covey/pop.key", "the key", mode: keyMode) }
        do throws(ConfigurationErrors) {
            _ = try ConfigurationLoader.load(
                path: "/etc/covey/cluster.toml", needs: [.certificateFiles], certificateCheck: check, files: files)
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func `the check sees both files, and what it says gets file, line and key`() {
        var seen: [[UInt8]] = []
        #expect(
            Self.load {
                seen = [$0, $1]
                return nil
            } == [])
        #expect(seen == [Array("the certificate".utf8), Array("the key".utf8)])
        #expect(
            Self.load { _, _ in .init(file: .privateKey, message: "is of another", remedy: "name the pair") } == [
                "/etc/covey/cluster.toml:\(Self.firstLine + 2): pop3.private_key: /etc/covey/pop.key: is of another; "
                    + "name the pair"
            ])
        #expect(
            Self.load { _, _ in .init(file: .certificate, message: "is none") } == [
                "/etc/covey/cluster.toml:\(Self.firstLine + 1): pop3.certificate: /etc/covey/pop.pem: is none"
            ])
    }

    @Test func `a key that is not there, or that everybody can read, is reported, and nothing more`() {
        let check: CertificateCheck = { _, _ in
            Issue.record("there is nothing to compare")
            return nil
        }
        #expect(
            Self.load(keyMode: nil, check: check) == [
                "/etc/covey/cluster.toml:\(Self.firstLine + 2): pop3.private_key: /etc/covey/pop.key cannot be read: "
                    + "No such file or directory"
            ])
        #expect(
            Self.load(keyMode: 0o644, check: check) == [
                "/etc/covey/cluster.toml:\(Self.firstLine + 2): pop3.private_key: /etc/covey/pop.key can be read by "
                    + "everybody (mode 0644); run: chmod 640 /etc/covey/pop.key"
            ])
    }

    @Test func `without the need no file is looked at`() throws {
        _ = try SampleConfiguration.load(Self.text)
    }
}
