import Foundation
import NIOCore
import TestSupport
import Testing

/// SIGUSR1: another configuration, no connection dropped.
@Suite(.serialized, .timeLimit(.minutes(2))) @BlockingThread struct ReloadTests {
    private static func stored(_ server: ScriptedLMTPServer) -> [String] {
        server.record.messages.map { String(buffer: $0.octets) }
    }

    @Test func `a mailbox server that was added gets its copies, on connections that are open`() async throws {
        let servers = try (0..<3).map { _ in try Manner.stores.server() }
        defer { for server in servers { server.stop() } }
        let hub = try HubProcess(servers: Array(servers.prefix(2)))
        let client = try hub.connection()
        #expect(try client.message(to: ["<u1@example.com>"]).verdict == "discard")
        try hub.reconfigure(servers: servers)
        try hub.reload()
        try hub.waitForLog("the MTA must hear of it too")
        #expect(try client.message(to: ["<u1@example.com>"]).verdict == "discard")
        #expect(servers.map { Self.stored($0).count } == [2, 2, 1])
        #expect(hub.log.contains("changed=mailbox "))
        // The flush command runs beside the message.
        let patience = Date(timeIntervalSinceNow: 20)
        while !hub.flushed.contains(".c.covey.invalid"), Date() < patience { usleep(50_000) }
        #expect(hub.flushed.contains(".c.covey.invalid"))

        // And one that was removed gets none any more.
        try hub.reconfigure(servers: [servers[0]])
        try hub.reload()
        #expect(try client.message(to: ["<u1@example.com>"]).verdict == "discard")
        #expect(servers.map { Self.stored($0).count } == [3, 2, 1])
    }

    @Test func `connections to servers that did not change are kept`() async throws {
        let servers = try (0..<2).map { _ in try Manner.stores.server() }
        defer { for server in servers { server.stop() } }
        let hub = try HubProcess(servers: servers, milter: ["min_copies = 1"])
        for number in 0..<6 {
            try hub.reconfigure(servers: servers, milter: ["min_copies = \(number % 2 + 1)"])
            try hub.reload()
            #expect(try hub.connection().message(to: ["<u1@example.com>"]).verdict == "discard")
        }
        // One pool for each event loop at most, each with its one connection, and the probe's.
        let loops = ProcessInfo.processInfo.processorCount
        for server in servers {
            #expect(server.record.lines.joined().filter { $0.hasPrefix("LHLO") }.count <= loops + 1)
        }
    }

    @Test func `another min_copies counts for the next message`() async throws {
        let servers = [try Manner.stores.server(), try Manner.isDown.server()]
        defer { for server in servers { server.stop() } }
        let hub = try HubProcess(servers: servers)
        let client = try hub.connection()
        #expect(try client.message(to: ["<u1@example.com>"]).verdict == "continue")
        try hub.reconfigure(servers: servers, milter: ["min_copies = \"all\""])
        try hub.reload()
        #expect(try client.message(to: ["<u1@example.com>"]).verdict != "continue")
        try hub.reconfigure(servers: servers, milter: ["min_copies = 1"])
        try hub.reload()
        #expect(try client.message(to: ["<u1@example.com>"]).verdict == "continue")
    }

    @Test func `a message under way ends as it began`() async throws {
        var manners = ScriptedLMTPServer.Manners()
        manners.delay = 700
        let (slow, other) = (try ScriptedLMTPServer([.serve(manners)]), try Manner.stores.server())
        defer { for server in [slow, other] { server.stop() } }
        let hub = try HubProcess(servers: [slow])
        let (open, waiting) = (try hub.connection(), try hub.connection())
        try open.begin(to: ["<u1@example.com>"])
        try waiting.begin(to: ["<u2@example.com>"])
        try waiting.sendEndOfMessage()
        try hub.reconfigure(servers: [other])
        try hub.reload()
        #expect(try waiting.readOutcome().verdict == "discard")
        #expect(try open.endOfMessage().verdict == "discard")
        #expect(try open.message(to: ["<u3@example.net>"]).verdict == "discard")
        #expect(slow.record.messages.count == 2 && other.record.messages.count == 1)
    }

    @Test func `a broken file changes nothing, and all that is wrong is told`() async throws {
        let server = try Manner.stores.server()
        defer { server.stop() }
        let hub = try HubProcess(servers: [server])
        let client = try hub.connection()
        let first = try client.message(to: ["<u1@example.com>"], body: "1\r\n")
        try hub.reconfigure(servers: [server], milter: ["min_copies = 7", "deliver = \"x\""])
        try hub.reload("not reloaded")
        try hub.waitForLog("milter.deliver")
        try hub.waitForLog("milter.min_copies")
        // Another host's file.
        try hub.reconfigure(servers: [server])
        let text = try String(contentsOfFile: hub.directory + "/cluster.toml", encoding: .utf8)
        try hub.write("cluster.toml", text.replacing("name = \"mh1\"", with: "name = \"mh9\""), mode: 0o644)
        try hub.reload("not reloaded")
        try hub.write("cluster.toml", "[cluster\n", mode: 0o644)
        try hub.reload("not reloaded")
        unlink(hub.directory + "/cluster.toml")
        try hub.reload("not reloaded")
        #expect(first.verdict == "discard")
        #expect(try client.message(to: ["<u1@example.com>"], body: "2\r\n").verdict == "discard")
        #expect(!hub.log.contains("configuration reloaded"))
        try hub.reconfigure(servers: [server])
        try hub.reload()
        try hub.waitForLog("changed=nothing")
    }

    @Test func `another key makes other ids`() async throws {
        let server = try Manner.stores.server()
        defer { server.stop() }
        let hub = try HubProcess(servers: [server], discards: false)
        let client = try hub.connection()
        let stamps = try (0..<2).map { _ in try client.message(to: ["<u1@example.com>"]).stamp }
        #expect(stamps[0] != nil && stamps[0] == stamps[1])
        try hub.write("cluster.key", Data(repeating: 0x42, count: 32).base64EncodedString() + "\n", mode: 0o600)
        #expect(try client.message(to: ["<u1@example.com>"]).stamp == stamps[0])
        try hub.reload()
        let changed = try client.message(to: ["<u1@example.com>"]).stamp
        #expect(changed != nil && changed != stamps[0])
        // A key that cannot be used changes nothing.
        try hub.write("cluster.key", "short\n", mode: 0o600)
        try hub.reload("not reloaded")
        #expect(try client.message(to: ["<u1@example.com>"]).stamp == changed)
    }

    @Test func `what cannot change without a restart is said`() async throws {
        let server = try Manner.stores.server()
        defer { server.stop() }
        let hub = try HubProcess(servers: [server])
        let text = try String(contentsOfFile: hub.directory + "/cluster.toml", encoding: .utf8)
        let changed = text.replacing("/m\"", with: "/other\"").replacing("user = \"root\"", with: "user = \"nobody\"")
        try hub.write("cluster.toml", changed, mode: 0o644)
        try hub.reload()
        try hub.waitForLog("keys=milter.socket,milter.user")
        #expect(try hub.connection().message(to: ["<u1@example.com>"]).verdict == "discard")
    }

    @Test func `reloads under traffic lose no message and no connection`() async throws {
        let servers = try (0..<2).map { _ in try Manner.stores.server() }
        defer { for server in servers { server.stop() } }
        let hub = try HubProcess(servers: servers)
        let directory = hub.directory
        let verdicts = try await withThrowingTaskGroup(of: [String].self) { group in
            for sender in 0..<4 {
                group.addTask {
                    try await onThread {
                        let client = try MilterClient(socket: directory + "/m")
                        _ = try client.connect()
                        _ = try client.helo()
                        return try (0..<50).map { number in
                            try client.message(to: ["<u1@example.com>"], body: "\(sender) \(number)\r\n").verdict
                        }
                    }
                }
            }
            for number in 0..<10 {
                try hub.reconfigure(
                    servers: number % 2 == 0 ? [servers[0]] : servers, milter: ["spool_limit = \"\(number + 1)GiB\""])
                try hub.reload()
            }
            var verdicts: [String] = []
            for try await part in group { verdicts += part }
            return verdicts
        }
        #expect(verdicts == Array(repeating: "discard", count: 200))
        // The first one is in every configuration.
        let bodies = Set(Self.stored(servers[0]).map { $0.components(separatedBy: "\r\n\r\n").last })
        #expect(bodies.count == 200)
    }

    @Test func `what waits in the queue and will not arrive is told at the start`() async throws {
        let server = try Manner.stores.server()
        defer { server.stop() }
        let line = """
            {"queue_name": "deferred", "queue_id": "D7", "arrival_time": \(Int(Date().timeIntervalSince1970) - 60), \
            "message_size": 472, "forced_expire": false, "sender": "ann@elsewhere.example", "recipients": \
            [{"address": "u5@example.com.b.covey.invalid", "delay_reason": "host b[1] said: 550 5.1.1 no such user \
            (in reply to RCPT TO command)"}]}
            """
        let hub = try HubProcess(servers: [server], queue: [line])
        try hub.waitForLog("missing copy refused for good")
        #expect(hub.log.contains("queue.id=D7") && hub.log.contains("recipient=u5@example.com "))
    }
}

/// Runs blocking work on a thread of its own.
private func onThread<R: Sendable>(_ work: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
    }
}
