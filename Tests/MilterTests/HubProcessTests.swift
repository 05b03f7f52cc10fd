import Foundation
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) @BlockingThread struct HubProcessTests {
    @Test func `an aborted message leaves nothing to the next one`() async throws {
        let cluster = try TestCluster([.stores])
        let client = try cluster.hub.connection()
        // At every stage.
        _ = try client.mail("<s@example.org>")
        try client.abort()
        _ = try client.mail("<s@example.org>")
        _ = try client.recipient("<u1@example.com>")
        try client.abort()
        _ = try client.mail("<s@example.org>")
        _ = try client.recipient("<u1@example.com>")
        _ = try client.header("X-Secret", " first")
        try client.abort()
        try client.begin(to: ["<u1@example.com>"])
        _ = try client.body(Array("first\r\n".utf8))
        try client.abort()
        let outcome = try client.message(to: ["<u2@example.com>"], body: "second\r\n")
        #expect(outcome.verdict == "discard")
        #expect(cluster.recipients(0) == [["u2@example.com"]])
        #expect(cluster.stored(0).allSatisfy { $0.hasSuffix("\r\n\r\nsecond\r\n") && !$0.contains("first") })
    }

    @Test func `a connection that breaks off leaves the others alone`() async throws {
        let cluster = try TestCluster([.stores])
        for stage in 0..<3 {
            let client = try cluster.hub.connection()
            _ = try client.mail("<s@example.org>")
            if stage > 0 { _ = try client.recipient("<u1@example.com>") }
            if stage > 1 { _ = try client.header("Date", " x") }
        }
        #expect(try cluster.hub.connection().message(to: ["<u1@example.com>"]).verdict == "discard")
        #expect(cluster.stored(0).count == 1)
    }

    @Test func `several messages go over one connection, and each has its own stamp`() async throws {
        let cluster = try TestCluster([.stores, .stores], discards: false)
        let client = try cluster.hub.connection()
        var stamps: Set<String> = []
        for number in 0..<5 {
            let outcome = try client.message(to: ["<u1@example.com>"], body: "\(number)\r\n")
            stamps.insert(try #require(outcome.stamp))
        }
        #expect(stamps.count == 5)
        #expect(cluster.stored(0).count == 5 && cluster.stored(1).count == 5)
        try client.quit()
    }

    @Test func `an MTA that tells of no header's end is understood`() async throws {
        let cluster = try TestCluster([.stores])
        let client = try cluster.hub.connection()
        _ = try client.mail("<s@example.org>")
        _ = try client.recipient("<u1@example.com>")
        #expect(try client.endOfMessage().verdict == "discard")
        #expect(cluster.stored(0).first?.contains("\r\nX-UIDL: cv1") == true)
        #expect(cluster.hub.isRunning)
    }

    @Test func `hostile text in every place does no harm`() async throws {
        let cluster = try TestCluster([.stores], discards: false)
        let client = try cluster.hub.connection()
        _ = try client.mail("<s\r\nX: y@example.org>", "BODY=8BITMIME\r\nRCPT TO:<u2@example.com>")
        #expect(try client.recipient("<u1%s%n@example.com>") == "continue")
        _ = try client.header("Date", " %s%n%n\u{7F}")
        #expect(try client.endOfHeader() == "continue")
        _ = try client.endOfMessage(queueID: "%n%s\r\nevil")
        #expect(cluster.hub.isRunning)
        #expect(!cluster.servers[0].record.lines.joined().contains { $0.hasPrefix("X: y") || $0.contains("u2@") })
        #expect(try cluster.hub.connection().message(to: ["<u1@example.com>"]).verdict == "continue")
    }

    @Test func `a server that is down costs one message a wait, and its return flushes the queue`() async throws {
        let cluster = try TestCluster([.stores, .isDown])
        try cluster.hub.waitForLog("server down")
        let client = try cluster.hub.connection()
        for _ in 0..<3 { #expect(try client.message(to: ["<u1@example.com>"]).verdict == "continue") }
        // Only for the server that is there.
        #expect(cluster.hub.flushed.split(separator: "\n").allSatisfy { $0.hasSuffix(".a.covey.invalid") })
        #expect(cluster.hub.log.ranges(of: "server down").count == 1)
    }

    @Test func `a monitor that cannot listen says so, and mail goes on`() async throws {
        let server = try ScriptedLMTPServer([.serve(.init())])
        defer { server.stop() }
        // An address that somebody has.
        let hub = try HubProcess(servers: [server], monitor: "\(server.host):\(server.port)")
        try hub.waitForLog("Monitoring is off")
        #expect(hub.log.contains("reason=Address already in use"))
        #expect(try hub.connection().message(to: ["<u1@example.com>"]).verdict == "discard")
    }

    @Test func `SIGTERM lets a delivery under way end`() async throws {
        var manners = ScriptedLMTPServer.Manners()
        manners.delay = 700
        let slow = try ScriptedLMTPServer([.serve(manners)])
        defer { slow.stop() }
        let hub = try HubProcess(servers: [slow])
        let client = try hub.connection()
        try client.begin(to: ["<u1@example.com>"])
        try client.sendEndOfMessage()
        usleep(300_000)
        hub.terminate()
        #expect(try client.readOutcome().verdict == "discard")
        #expect(hub.waitForEnd() == 0)
        #expect(slow.record.messages.count == 1)
        #expect(hub.log.contains("stopped"))
    }

    @Test func `twenty messages at once are all stored everywhere`() async throws {
        let cluster = try TestCluster([.stores, .stores])
        let directory = cluster.hub.directory
        let verdicts = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<20 {
                group.addTask {
                    try await onThread {
                        let client = try MilterClient(socket: directory + "/m")
                        _ = try client.connect()
                        _ = try client.helo()
                        let body = String(repeating: "\(number) ", count: 200_000)
                        let size = 60_000
                        try client.begin(to: ["<u1@example.com>", "<u2@example.com>"])
                        var rest = Array(body.utf8)[...]
                        while !rest.isEmpty {
                            _ = try client.body(Array(rest.prefix(size)))
                            rest = rest.dropFirst(size)
                        }
                        return try client.endOfMessage().verdict
                    }
                }
            }
            var verdicts: [String] = []
            for try await verdict in group { verdicts.append(verdict) }
            return verdicts
        }
        #expect(verdicts == Array(repeating: "discard", count: 20))
        for place in 0..<2 {
            #expect(cluster.stored(place).count == 20)
            #expect(
                Set(cluster.stored(place).map { $0.split(separator: "\r\n\r\n").last.map(String.init) }).count == 20)
        }
    }
}

/// Runs blocking work on a thread of its own.
private func onThread<R: Sendable>(_ work: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
    }
}
