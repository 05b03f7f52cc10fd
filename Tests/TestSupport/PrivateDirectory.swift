import Foundation

/// A directory of a test's own, by a path that is short enough for sockets; removed when nobody holds it any more.
public final class PrivateDirectory: Sendable {
    public struct Failure: Error, CustomStringConvertible { public var description: String }

    public let path: String

    public init() throws {
        var template = Array("/tmp/covey-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Failure(description: "no directory like /tmp/covey-XXXXXX: \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    public func write(_ name: String, _ text: String, mode: Int) throws {
        let file = path + "/" + name
        guard
            FileManager.default.createFile(
                atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: mode])
        else { throw Failure(description: "cannot write \(file)") }
    }

    /// What a file holds; empty if there is none.
    public func text(of name: String) -> String {
        (try? String(contentsOfFile: path + "/" + name, encoding: .utf8)) ?? ""
    }
}
