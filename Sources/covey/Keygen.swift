import ArgumentParser
import CoveyCore
import Glibc

struct Keygen: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make the cluster's key.",
        discussion: """
            Writes 32 random octets into a new file that only its owner and the group covey, where there is one, can \
            read. Copy the file to every host of the cluster. An existing file is never overwritten: with another key a \
            message that comes again is shown twice, and what the journal says of deletions is not believed any more.
            """)

    @Argument(help: "The new key file.")
    var file = "/etc/covey/cluster.key"

    func run() throws {
        var generator = SystemRandomNumberGenerator()
        let key = ClusterKey(
            octets: (0..<ClusterKey.minimumLength).map { _ in .random(in: 0...255, using: &generator) })
        let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw problem(errno == EEXIST ? "exists already; remove it first if the cluster holds no mail yet" : nil)
        }
        do {
            try write(Array(KeyFile.text(for: key).utf8), to: descriptor)
        } catch {
            unlink(file)
            throw error
        }
        print("wrote \(file)")
    }

    private func write(_ text: [UInt8], to descriptor: Int32) throws {
        if let group = getgrnam("covey"), fchown(descriptor, uid_t.max, group.pointee.gr_gid) == 0 {
            // The daemons may be started as user covey.
            fchmod(descriptor, 0o640)
        }
        var rest = text[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw problem(nil) }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0, close(descriptor) == 0 else { throw problem(nil) }
    }

    /// What to tell about the file; the system's words for the last error when nothing better is known.
    private func problem(_ text: String?) -> CleanExitError {
        CleanExitError(description: "\(file): \(text ?? String(cString: strerror(errno)))")
    }
}

/// An error whose text is all that the operator needs.
struct CleanExitError: Error, CustomStringConvertible {
    var description: String
}
