import Foundation
import TestSupport
import Testing

/// covey-milter against an MTA's side that is not ours: Debian's miltertest(8), without an MTA. Each stage with each answer
/// that the milter has for it; functions that the scripts use are in miltertest.lua.
@Suite(.serialized, .timeLimit(.minutes(2))) @BlockingThread struct MiltertestTests {
    @Test(
        "miltertest gets the answer it must",
        arguments: MiltertestScript.envelope + MiltertestScript.content + MiltertestScript.connections)
    func run(script: MiltertestScript) async throws {
        let cluster = try TestCluster(script.manners, milter: script.milter, discards: script.discards)
        try cluster.hub.write("script.lua", "dofile(\"\(Self.functions)\")\n\(script.text)\n", mode: 0o644)
        let directory = cluster.hub.directory
        let output = try CommandOutput(
            of: [
                "timeout", "60", "miltertest", "-v", "-v", "-D", "socket=\(directory)/m", "-s",
                "\(directory)/script.lua",
            ], environment: [:], input: [])
        #expect(output.status == 0, "\(output)\n\(cluster.hub.log)")
        #expect(output.text.contains("script done"), "\(output)")
        #expect(output.text.ranges(of: ": cmd 2, ").count == script.added, "\(output)")
        #expect(cluster.stored(0).count == script.given)
        #expect(!cluster.stored(0).contains { $0.contains("first") }, "an aborted message")
        #expect(cluster.recipients(0).allSatisfy { $0.map { $0.lowercased() } == ["u1@example.com"] })
        #expect(cluster.hub.isRunning)
    }

    private nonisolated static let functions = URL(filePath: #filePath).deletingLastPathComponent().appending(
        path: "miltertest.lua"
    ).path
}
