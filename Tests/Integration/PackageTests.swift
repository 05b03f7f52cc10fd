import Foundation
import TestSupport
import Testing

/// What the packages put on a host beside the programs.
extension RealServers.Deploy {
    @Test func `8. fail2ban's filter finds the address of wrong logins, and no others`() throws {
        let before = try matches("a")
        for _ in 0..<3 {
            let output = try lab.attempt(
                "client", ["curl", "-s", "--user", "u1@example.com:wrong", "pop3://a.example.com:1100/"])
            #expect(output.status == 67, "curl: login denied: \(output)")
        }
        _ = try lab.maildrop(of: "u1@example.com", at: "a")
        try lab.wait(for: "three lines", { try matches("a") }, until: { $0.count == before.count + 3 })
        #expect(Set(try matches("a")) == [lab.address(of: "client")])
    }

    /// The addresses that fail2ban-regex finds in the proxy's log.
    private func matches(_ host: String) throws -> [String] {
        let output = try lab.shell(
            host,
            "fail2ban-regex --out ip /var/log/covey-pop3d.log /etc/fail2ban/filter.d/covey-pop3d.conf 2>/dev/null || true"
        )
        return output.text.split(separator: "\n").map(String.init)
    }

    @Test func `9. Install, upgrade, remove and purge leave nothing but what an administrator put there`() throws {
        let folder = try deployed()
        let next = try upgrade(of: folder)
        let host = "client"
        for (name, source) in [("one", folder), ("two", next)] {
            try lab.shell(host, "mkdir -p /root/\(name)")
            for file in try FileManager.default.contentsOfDirectory(atPath: source) where file.hasSuffix(".deb") {
                let octets = try Data(contentsOf: URL(filePath: "\(source)/\(file)"))
                try lab.exec(host, "sh", "-c", "cat >/root/\(name)/\(file)", input: Array(octets))
            }
        }
        func files() throws -> String {
            try lab.shell(
                host,
                "find /etc /lib /usr /var/lib/covey /var/spool/postfix -name '*covey*' 2>/dev/null | sort || true"
            ).text
        }
        let before = try files()
        try lab.shell(
            host, "mkdir -p /run/systemd/system; apt-get -qq install -y --no-install-recommends /root/one/*.deb",
            seconds: 240)
        #expect(try lab.exec(host, "id", "-un", "covey").line == "covey")
        #expect(try lab.shell(host, "stat -c '%a %U:%G' /var/spool/postfix/covey").line == "2750 covey:postfix")
        #expect(try lab.exec(host, "covey", "check", "--help").text.contains("--format"))
        let complete = try lab.shell(host, "source /usr/share/bash-completion/completions/covey; complete -p covey")
            .text
        #expect(complete.contains("covey"))
        // Not configured: enabled, and not started.
        #expect(try lab.attempt(host, ["systemctl", "is-active", "covey-pop3d"]).line == "inactive")
        #expect(try lab.exec(host, "systemctl", "is-enabled", "covey-pop3d").line == "enabled")

        try lab.shell(
            host, "install -m 644 /dev/null /etc/covey/mine; echo '# mine' >>/etc/covey/cluster.toml.example")
        try lab.shell(
            host,
            "apt-get -qq install -y -o Dpkg::Options::=--force-confold --no-install-recommends /root/two/*.deb",
            seconds: 240)
        #expect(try version(on: host) == Self.second)
        #expect(try lab.shell(host, "tail -n 1 /etc/covey/cluster.toml.example").line == "# mine")

        try lab.shell(host, "apt-get -qq remove -y covey-milter covey-pop3d covey", seconds: 240)
        #expect(try lab.attempt(host, ["sh", "-c", "command -v covey covey-milter covey-pop3d"]).line == "")
        #expect(try lab.shell(host, "ls /etc/covey").text.contains("cluster.toml.example"))
        try lab.shell(host, "apt-get -qq purge -y covey-milter covey-pop3d covey", seconds: 240)
        #expect(try lab.shell(host, "ls /etc/covey").line == "mine")
        try lab.shell(host, "rm -r /etc/covey")
        #expect(try files() == before)
    }
}
