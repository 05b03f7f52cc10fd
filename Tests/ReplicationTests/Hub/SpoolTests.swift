import Glibc
import MailWire
import NIOCore
import Testing

@testable import Replication

@Suite struct SpoolTests {
    /// So many octets, each telling of its place.
    private static func octets(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31 >> 3) }
    }

    private static func fill(_ spool: inout Spool, _ octets: [UInt8], piece: Int = 65_535) throws {
        var rest = octets[...]
        while !rest.isEmpty {
            try Array(rest.prefix(piece)).withUnsafeBytes { try spool.append($0) }
            rest = rest.dropFirst(piece)
        }
    }

    private static func read(_ body: any MessageBody, most: Int) throws -> [UInt8] {
        var octets: [UInt8] = []
        while octets.count < body.length { octets += try body.read(at: octets.count, most: most).readableBytesView }
        return octets
    }

    /// 256 KiB stay in memory (design §4.1): only what is in the file is counted.
    @Test(arguments: [
        (0, 0), (1, 0), (262_143, 0), (262_144, 0), (262_145, 262_145), (700_000, 700_000),
    ])
    func `a body is in memory up to 256 KiB, then in a file`(count: Int, inFile: Int) throws {
        let budget = SpoolBudget(limit: 1 << 20)
        var spool = Spool(budget: budget, directory: "/tmp")
        let octets = Self.octets(count)
        try Self.fill(&spool, octets)
        #expect(budget.inUse == inFile)
        let body = spool.finish()
        #expect(body.length == count)
        #expect(try Self.read(body, most: 8192) == octets)
        #expect(try Self.read(body, most: .max) == octets)
    }

    @Test func `the room is free again when the last user is gone`() throws {
        let budget = SpoolBudget(limit: 1 << 20)
        var spool = Spool(budget: budget, directory: "/tmp")
        try Self.fill(&spool, Self.octets(300_000))
        var first: (any MessageBody)? = spool.finish()
        var second = first
        #expect(budget.inUse == 300_000)
        first = nil
        #expect(budget.inUse == 300_000)
        #expect(second?.length == 300_000)
        second = nil
        #expect(budget.inUse == 0)
        _ = first
    }

    @Test func `a message that was given up leaves nothing behind`() throws {
        let budget = SpoolBudget(limit: 1 << 20)
        func giveUp() throws {
            var spool = Spool(budget: budget, directory: "/tmp")
            try Self.fill(&spool, Self.octets(300_000))
            #expect(budget.inUse == 300_000)
        }
        try giveUp()
        #expect(budget.inUse == 0)
    }

    @Test func `the limit counts all bodies together`() throws {
        let budget = SpoolBudget(limit: 700_000)
        var first = Spool(budget: budget, directory: "/tmp")
        try Self.fill(&first, Self.octets(400_000))
        let kept = first.finish()
        func overflow() {
            var second = Spool(budget: budget, directory: "/tmp")
            #expect(throws: SpoolError.limitReached) { try Self.fill(&second, Self.octets(400_000)) }
            #expect(budget.inUse <= 700_000)
        }
        overflow()
        #expect(budget.inUse == 400_000)
        #expect(try Self.read(kept, most: 65_536) == Self.octets(400_000), "the other body is untouched")
        var small = Spool(budget: budget, directory: "/tmp")
        try Self.fill(&small, Self.octets(1000))
        #expect(small.finish().length == 1000, "what fits in memory needs no room")
    }

    @Test(arguments: ["/nonexistent/covey", "/dev/null", "/proc"])
    func `a directory that takes no files is an error with its name`(directory: String) throws {
        var spool = Spool(budget: SpoolBudget(limit: 1 << 20), directory: directory)
        let error = #expect(throws: SpoolError.self) { try Self.fill(&spool, Self.octets(300_000)) }
        #expect(error?.description.contains(directory) == true)
    }

    @Test func `the file has no name`() throws {
        let template = Array("/tmp/covey-test-XXXXXX".utf8CString)
        let directory = template.withUnsafeBufferPointer { pointer -> String in
            var copy = Array(pointer)
            return mkdtemp(&copy) == nil
                ? "" : String(decoding: copy.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        try #require(!directory.isEmpty)
        var spool = Spool(budget: SpoolBudget(limit: 1 << 20), directory: directory)
        try Self.fill(&spool, Self.octets(300_000))
        // An empty directory can be removed, and the body stays readable.
        #expect(rmdir(directory) == 0)
        #expect(try Self.read(spool.finish(), most: 65_536) == Self.octets(300_000))
    }

    @Test(.timeLimit(.minutes(1))) func `several readers read at places of their own`() async throws {
        var spool = Spool(budget: SpoolBudget(limit: 4 << 20), directory: "/tmp")
        let octets = Self.octets(2_000_000)
        try Self.fill(&spool, octets)
        let body = spool.finish()
        let good = await withTaskGroup(of: Bool.self) { group in
            for reader in 1...8 { group.addTask { (try? Self.read(body, most: 10_000 * reader)) == octets } }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(good == 8)
    }
}
