/// Reads the files that a configuration names, and checks that their permissions keep secrets secret.
struct FileReader {
    let files: any FileAccess
    /// What relative names are relative to.
    let directory: String
    let needs: Set<ConfigurationLoader.Need>
    var certificateCheck: CertificateCheck?

    func absolute(_ path: String) -> String { Paths.join(directory, path) }

    /// A file that only its owner and group may read.
    func secret(_ path: String) throws(Complaint) -> [UInt8] {
        let contents: FileContents
        do throws(FileAccessError) {
            contents = try files.read(path, limit: KeyFile.limit)
        } catch {
            throw Complaint("\(path) cannot be read: \(error.text)")
        }
        guard contents.mode & 0o006 == 0 else {
            let may = contents.mode & 0o004 != 0 ? "read" : "written"
            let mode = String(contents.mode & 0o777, radix: 8)
            throw Complaint("\(path) can be \(may) by everybody (mode 0\(mode))", remedy: "run: chmod 640 \(path)")
        }
        return contents.octets
    }

    /// A password: the file's one line.
    func password(_ path: String) throws(Complaint) -> Secret {
        var octets = try secret(path)[...]
        if octets.last == UInt8(ascii: "\n") { octets.removeLast() }
        if octets.last == UInt8(ascii: "\r") { octets.removeLast() }
        guard !octets.isEmpty else {
            throw Complaint("\(path) is empty", remedy: "write the journal mailbox's password into it, in one line")
        }
        guard let text = String(validating: octets, as: UTF8.self),
            !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
        else {
            throw Complaint("\(path) is not one line of text", remedy: "write only the password into it, in one line")
        }
        return Secret(text)
    }

    /// Complains when a file that some TLS setting names cannot be read, if the program needs it.
    func requireReadable(_ path: String?, _ need: ConfigurationLoader.Need) throws(Complaint) {
        guard needs.contains(need), let path else { return }
        _ = try contents(path)
    }

    /// A file that is no secret.
    func contents(_ path: String) throws(Complaint) -> [UInt8] {
        do throws(FileAccessError) {
            return try files.read(path, limit: 16 << 20).octets
        } catch {
            throw Complaint("\(path) cannot be read: \(error.text)", remedy: "name a PEM file that is there")
        }
    }
}
