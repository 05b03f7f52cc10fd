import CoveyCore
import Glibc
import MailNet
import NIOCore
import Replication

extension MonitorServer {
    /// Shows what this daemon is doing.
    ///
    /// - Parameter reload: knows the journal in force.
    convenience init(_ proxy: POP3ProxyServer, _ reload: ProxyReload, host: String, group: any EventLoopGroup) {
        let started = time(nil)
        self.init(group: group) {
            let snapshot = ProxySnapshot(
                host: host, now: time(nil), started: started, figures: proxy.figures, servers: proxy.servers,
                journal: await reload.journal?.figures, healing: await reload.journal?.healer.figures,
                connections: proxy.connections,
                mostConnections: proxy.mostConnections, isStopping: !proxy.isListening,
                process: .now(started: started))
            return MonitorContent(status: snapshot.status, metrics: snapshot.metrics)
        }
    }
}
