internal import MailWire
internal import NIOCore

/// How long a client may be silent, and servers kept waiting.
extension POP3ClientHandler {
    func watchActivity() {
        let times = shared.settings.times
        let limit = session.isInTransaction ? times.inactivity : times.beforeLogin
        let remaining = lastActivity + limit - .now()
        guard remaining > .zero else {
            if case .none = work { _ = session.timedOut(reply: &reply) }
            return close(.inactive)
        }
        // Before login the limit is the shorter one, so the watch never sleeps past the end of either.
        let wait = min(remaining, times.keepAlive, times.beforeLogin)
        watch = context?.eventLoop.assumeIsolated().scheduleTask(in: wait) { [self] in
            keepServersAlive()
            switch work {
            case .delaying, .opening, .updating: lastActivity = .now()  // the client waits for us
            case .none, .retrieving, .closed: break
            }
            watchActivity()
        }
    }

    func keepServersAlive() {
        let due = NIODeadline.now() - shared.settings.times.keepAlive
        for server in servers where server.backend.isIdle && server.backend.lastCommand <= due {
            server.backend.enqueueForStatus(.noop) { _ in }
            server.backend.flush()
        }
    }
}
