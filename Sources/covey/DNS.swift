import ArgumentParser
import CoveyCore
import Glibc
import NIOCore
import Replication

struct DNS: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dns",
        abstract: "Print the DNS records that the cluster needs, or what must change on a name server.",
        discussion: """
            MX records for the mail domains, addresses of hubs and proxies, the round-robin set of dns.pop_name, and SRV \
            records by which mail programs find the proxies (RFC 6186). In the formats bind and json only what belongs to \
            dns.zone, or to --zone.

            Format nsupdate prints what must change on the zone's server, asked with dig: nothing where nothing must. The \
            sets of the names above are the cluster's alone: a record there that cluster.toml does not know is removed. \
            Other names and types are never touched.

            Ends with 0, also when somebody does not answer, and with 69 when the name server cannot be asked.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case bind, nsupdate, json, autoconfig }

    @OptionGroup var options: ConfigurationOptions

    @Option(
        help:
            "bind: lines for a zone file. nsupdate: what to change. json: for programs. autoconfig: Thunderbird's XML.")
    var format = Format.bind

    @Flag(
        help: """
            Leave out hubs that do not greet at port 25 and proxies' addresses that do not greet as POP3 servers, but never \
            all of them.
            """)
    var healthy = false

    @Option(help: ArgumentHelp("The zone to print (default: dns.zone).", valueName: "name"))
    var zone: String?

    @Option(
        help: ArgumentHelp(
            "For nsupdate: the name server to compare with (default: the zone's primary, by its SOA record).",
            valueName: "host[:port]"))
    var server: String?

    @Option(help: ArgumentHelp("With --healthy: how long to wait for each greeting.", valueName: "seconds"))
    var patience = 10

    func validate() throws {
        guard (1...60).contains(patience) else { throw ValidationError("--patience takes 1 to 60 seconds") }
        if server != nil, format != .nsupdate { throw ValidationError("--server goes with --format nsupdate") }
        if format == .autoconfig, healthy || zone != nil {
            throw ValidationError("--format autoconfig takes neither --healthy nor --zone")
        }
    }

    func run() async throws {
        let cluster = try options.load()
        // A set with nothing wrong in it, or every problem.
        _ = try records(cluster, silent: [:])
        if format == .autoconfig {
            print(cluster.autoconfig ?? "", terminator: "")
            return
        }
        let silent =
            healthy ? await Greetings(configuration: cluster, patience: .seconds(Int64(patience))).silent() : [:]
        let records = try records(cluster, silent: silent)
        let zone = self.zone.map {
            $0.lowercased().hasSuffix(".") ? String($0.lowercased().dropLast()) : $0.lowercased()
        }
        let only = zone ?? records.zone
        guard !records.sets(in: only).isEmpty else {
            complain("covey dns: nothing of the cluster is in the zone \(only)")
            throw ExitCode(EX_CONFIG)
        }
        switch format {
        case .bind: print(records.zoneText(only: only), terminator: "")
        case .json: print(records.json(only: only), terminator: "")
        case .nsupdate: print(try await update(records, in: only).text, terminator: "")
        case .autoconfig: break
        }
    }

    private func records(
        _ cluster: ClusterConfiguration, silent: [ClusterRecords.Place: String]
    ) throws -> ClusterRecords {
        do throws(ClusterRecords.Problems) {
            return try ClusterRecords(cluster, silent: silent)
        } catch {
            for line in error.lines { complain("\(options.config): \(line)") }
            throw ExitCode(EX_CONFIG)
        }
    }

    // MARK: nsupdate

    private func update(_ records: ClusterRecords, in zone: String) async throws -> DNSUpdate {
        let given = try server.map { try endpoint($0) }
        let asked = if let given { given } else { Endpoint(host: try await primary(of: zone), port: 53) }
        let keys = DNSUpdate.keys(records, in: zone)
        let text = try await dig(DigAnswer.question(keys, to: asked))
        do throws(DigAnswer.Failure) {
            return DNSUpdate(records, in: zone, present: try DigAnswer(text, to: keys), server: given)
        } catch {
            complain("covey dns: name server \(asked): \(error)")
            throw ExitCode(EX_UNAVAILABLE)
        }
    }

    private func endpoint(_ text: String) throws -> Endpoint {
        guard let endpoint = Endpoint(text, defaultPort: 53) else {
            complain(
                "covey dns: --server \(text): write a host name or address, such as 192.0.2.53 or [2001:db8::53]:53")
            throw ExitCode(EX_USAGE)
        }
        return endpoint
    }

    /// RFC 2136 §4.3: the first name in the zone's SOA record.
    private func primary(of zone: String) async throws -> String {
        let words = try await dig(["dig", "+short", "+time=5", "+tries=2", "-t", "SOA", "-q", "\(zone)."])
            .split(separator: " ")
        guard words.count == 7, words[0].hasSuffix("."), words[0] != "." else {
            complain("covey dns: no name server of \(zone) was found: name it with --server")
            throw ExitCode(EX_UNAVAILABLE)
        }
        return String(words[0].dropLast())
    }

    private func dig(_ words: [String]) async throws -> String {
        guard let result = await Command.runAside(words, withErrors: true, patience: .seconds(120)) else {
            complain("covey dns: dig cannot be started: install it (Debian: bind9-dnsutils)")
            throw ExitCode(EX_UNAVAILABLE)
        }
        return result.output
    }
}
