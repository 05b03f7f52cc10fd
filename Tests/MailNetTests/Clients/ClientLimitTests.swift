import CoveyCore
import MailNet
import NIOCore
import TestSupport
import Testing

/// What one client address may take of the proxy.
@Suite(.timeLimit(.minutes(5))) struct ClientLimitTests {
    /// So many connections of 100 may come from one address.
    private static let mostConnections = 20

    @Test func `further connections from one address are refused, those from another are not`() async throws {
        try await POP3ProxyFixture.run([script("a")]) { fixture in
            var clients: [POP3TestClient] = []
            for _ in 0..<Self.mostConnections {
                let client = try await fixture.client()
                #expect(try await client.line() == "+OK Covey ready.")
                clients.append(client)
            }
            let refused = try await fixture.client()
            #expect(await refused.rest() == "-ERR [SYS/TEMP] Too many connections, try again later.\r\n")
            let other = try await POP3TestClient.connect(to: fixture.address, from: "127.0.0.8")
            #expect(try await other.logIn() == "+OK Logged in.")

            await clients.removeLast().close()
            // The proxy may hear of it a moment later.
            var greeting = ""
            repeat {
                let next = try await fixture.client()
                greeting = try await next.line()
                clients.append(next)
            } while !greeting.hasPrefix("+OK")
        }
    }

    @Test func `who guesses passwords is refused for a while, without asking the servers, and others are not`()
        async throws
    {
        // Slow enough for all guesses to be under way before the first fails: after it they would have to wait.
        var slow = script("a")
        slow.faults["PASS"] = .delay(.milliseconds(500))
        try await POP3ProxyFixture.run([slow]) { fixture in
            let answers = try await withThrowingTaskGroup(of: String.self) { group in
                for guess in 0..<20 {
                    let address = fixture.address
                    group.addTask {
                        let client = try await POP3TestClient.connect(to: address)
                        let answer = try await client.logIn(password: "guess \(guess)")
                        await client.close()
                        return answer
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers == Array(repeating: "-ERR [AUTH] Authentication failed.", count: 20))
            let asked = fixture.servers[0].lines.count

            // Even with the right password, which is not blamed.
            let client = try await fixture.client()
            #expect(try await client.logIn().hasPrefix("-ERR [SYS/TEMP] Too many failed logins"))
            #expect(fixture.servers[0].lines.count == asked)
            let other = try await POP3TestClient.connect(to: fixture.address, from: "127.0.0.8")
            #expect(try await other.logIn() == "+OK Logged in.")
        }
    }

    @Test func `a mail program that tries one wrong password for ever shuts nobody out`() async throws {
        try await POP3ProxyFixture.run([script("a")]) { fixture in
            for _ in 0..<25 {
                let client = try await fixture.client()
                #expect(try await client.logIn(password: "old") == "-ERR [AUTH] Authentication failed.")
                await client.close()
            }
            let client = try await fixture.client()
            #expect(try await client.logIn() == "+OK Logged in.")
        }
    }

    @Test func `behind a balancer it is the clients that are counted, and not the balancer`() async throws {
        let address = try #require(IPAddress("127.0.0.9"))
        try await POP3ProxyFixture.run([script("a")], settings: { $0.proxyProtocolFrom = [address] }) { fixture in
            func connect(_ header: String) async throws -> POP3TestClient {
                let client = try await POP3TestClient.connect(to: fixture.address, from: "127.0.0.9")
                try await client.send("PROXY \(header)\r\n")
                return client
            }
            var clients: [POP3TestClient] = []
            for header in ["UNKNOWN", "TCP4 192.0.2.7 198.51.100.1 1 110"] {
                for _ in 0..<Self.mostConnections {
                    clients.append(try await connect(header))
                    #expect(try await clients.last?.line() == "+OK Covey ready.")
                }
            }
            let refused = try await connect("TCP4 192.0.2.7 198.51.100.1 2 110")
            #expect(try await refused.line().hasPrefix("-ERR [SYS/TEMP]"))
            for header in ["UNKNOWN", "TCP4 192.0.2.8 198.51.100.1 1 110"] {
                #expect(try await connect(header).logIn() == "+OK Logged in.")
            }
            for client in clients { await client.close() }
        }
    }
}
