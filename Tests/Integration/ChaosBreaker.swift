import Foundation
import TestSupport

/// Breaks hosts by a schedule and repairs them.
struct ChaosBreaker {
    private let lab: Lab
    private let run: ChaosRun

    init(_ lab: Lab, _ run: ChaosRun) {
        self.lab = lab
        self.run = run
    }

    /// Returns when the last fault is repaired.
    func play(_ schedule: ChaosSchedule) throws {
        // One thread for each host: what is done to one takes its time and delays no other.
        let players = (lab.hubs + lab.mailboxes).map { host in
            Background {
                for item in schedule.items where item.host == host {
                    sleep(until: item.begin)
                    guard try apply(item) else { continue }
                    sleep(until: item.end)
                    try repair(item)
                }
            }
        }
        let end = schedule.items.map(\.end).max() ?? 0
        for player in players { try player.wait(seconds: end + 300) }
    }

    private func sleep(until time: Double) {
        while run.now < time { usleep(50_000) }
    }

    /// False where it could not be done: then nothing is broken.
    private func apply(_ item: ChaosSchedule.Item) throws -> Bool {
        run.note(.fault("\(item.fault)"), at: item.host)
        switch item.fault {
        case .powerOff: try lab.powerOff(item.host)
        case .unplug: try lab.unplug(item.host)
        case .freeze: try lab.freezeDovecot(on: item.host)
        case .fullDisk:
            // Of its own: what is written there is seen below, and nothing more can be.
            // Refused (EBUSY) while somebody has a file open for writing there.
            let outcome = try lab.attempt(
                item.host,
                [
                    "sh", "-c",
                    """
                    mount --bind /var/vmail /var/vmail
                    for try in $(seq 100); do mount -o remount,bind,ro /var/vmail 2>/dev/null && exit; sleep 0.05; done
                    umount --lazy /var/vmail
                    exit 1
                    """,
                ])
            guard outcome.status == 0 else {
                run.note(.fault("\(item.fault) could not be made"), at: item.host)
                return false
            }
        case .kill: try lab.stop(daemon(of: item.host), on: item.host, signal: "KILL")
        case .killServer: try lab.stop(server(of: item.host), on: item.host, signal: "KILL")
        case .holdQueue:
            try lab.shell(item.host, "postconf -e defer_transports=covey-lmtp && postfix reload")
        }
        return true
    }

    private func repair(_ item: ChaosSchedule.Item) throws {
        switch item.fault {
        case .powerOff: try lab.boot(item.host)
        case .unplug: try lab.plug(item.host)
        case .freeze: try lab.shell(item.host, "pkill -CONT -x dovecot; pkill -CONT -f '^dovecot/'")
        case .fullDisk: try lab.shell(item.host, "umount --lazy /var/vmail")
        case .kill: try lab.start(daemon(of: item.host), on: item.host)
        case .killServer: try lab.start(server(of: item.host), on: item.host)
        case .holdQueue: try lab.shell(item.host, "postconf -X defer_transports && postfix reload && postqueue -f")
        }
        run.note(.fault("\(item.fault) repaired"), at: item.host)
    }

    private func daemon(of host: String) -> Lab.Service { lab.hubs.contains(host) ? .milter : .pop3d }
    private func server(of host: String) -> Lab.Service { lab.hubs.contains(host) ? .postfix : .dovecot }

    /// All is repaired already: waits until the hubs' queues have brought what was missed, the proxies know it, and every
    /// journal holds every entry.
    func healEverything() throws {
        try lab.waitForAllServers()
        try lab.waitForHubsToSeeAllServers(lab.hubs)
        for hub in lab.hubs { try lab.emptyQueue(of: hub, within: 180) }
        let all = lab.mailboxes.joined(separator: ",")
        try lab.wait(
            for: "equal journals", within: 90,
            {
                try lab.shell("a", "covey journal list 2>/dev/null").text.split(separator: "\n").filter {
                    !$0.hasSuffix(" \(all)")
                }
            }, until: \.isEmpty)
    }
}
