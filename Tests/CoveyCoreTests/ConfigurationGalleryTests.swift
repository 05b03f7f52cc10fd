import CoveyCore
import Glibc
import Testing

/// BrokenConfigurations/NN-name/cluster.toml, and in expected.txt the whole text that the operator must see.
@Suite struct ConfigurationGalleryTests {
    static let folder =
        String(#filePath.prefix(upTo: #filePath.lastIndex(of: "/") ?? #filePath.endIndex))
        + "/BrokenConfigurations"

    static let cases: [String] = {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }()

    @Test func `the gallery is there`() {
        #expect(Self.cases.count >= 30)
    }

    @Test(arguments: cases) func `a broken configuration is explained`(name: String) throws {
        let text = try Self.read("\(Self.folder)/\(name)/cluster.toml")
        let expected = try Self.read("\(Self.folder)/\(name)/expected.txt")
        #expect(SampleConfiguration.problems(text).map { $0 + "\n" }.joined() == expected)
    }

    private static func read(_ path: String) throws -> String {
        String(decoding: try SystemFiles().read(path, limit: 1 << 20).octets, as: UTF8.self)
    }
}
