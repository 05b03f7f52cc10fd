import CoveyCore
import MailNet
import NIOCore
import NIOPosix

/// Asks all hubs and proxies at once whether they greet.
struct Greetings: Sendable {
    let configuration: ClusterConfiguration
    /// For each connection, and for each greeting.
    let patience: TimeAmount

    /// Those that do not, with the reason. A hub counts as long as one of its addresses greets.
    func silent() async -> [ClusterRecords.Place: String] {
        var answers: [ClusterRecords.Place: [ServerGreeting.Answer]] = [:]
        await withTaskGroup(of: (ClusterRecords.Place, ServerGreeting.Answer).self) { group in
            for (place, kind, endpoint) in questions {
                group.addTask {
                    let loops = MultiThreadedEventLoopGroup.singleton
                    return (
                        place, await ServerGreeting.ask(kind, at: endpoint, patience: patience, group: loops)
                    )
                }
            }
            for await (place, answer) in group { answers[place, default: []].append(answer) }
        }
        return answers.compactMapValues { answers in
            let reasons = answers.compactMap { if case .silent(let reason) = $0 { reason } else { nil } }
            return reasons.count == answers.count ? reasons[0] : nil
        }
    }

    private var questions: [(ClusterRecords.Place, ServerGreeting.Kind, Endpoint)] {
        configuration.hubs.flatMap { hub in
            hub.addresses.map { (.hub(hub.name), .smtp, Endpoint(host: $0.description, port: 25)) }
        }
            + configuration.proxies.flatMap(\.addresses).map { address in
                let clear = configuration.pop3.port(.clear)
                return (
                    .proxy(address), clear == nil ? .tls : .pop3,
                    Endpoint(host: address.description, port: clear ?? configuration.pop3.port(.tls) ?? 110)
                )
            }
    }
}
