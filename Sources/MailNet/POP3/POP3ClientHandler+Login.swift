internal import CoveyCore
internal import Logging
internal import MailWire
internal import NIOCore

/// Logging in, at all mailbox servers at once.
extension POP3ClientHandler {
    func logIn(_ credentials: POP3Credentials) {
        switch shared.limits.login(origin) {
        case .ask: askServers(credentials)
        case .askAfter(let wait):
            guard let context else { return }
            work = .delaying(
                context.eventLoop.assumeIsolated().scheduleTask(in: wait) {
                    self.askServers(credentials)
                })
        case .refuse:
            summary.refusedLogins += 1
            workDone(session.loginFailed(.tooManyFailures, reply: &reply))
        }
    }

    private func askServers(_ credentials: POP3Credentials) {
        guard let context else { return }
        let mailbox = LoginName.mailbox(for: credentials.user, defaultDomain: shared.settings.defaultDomain)
        summary.user = mailbox
        let login = POP3ServerOpening.Login(
            credentials: credentials.named(mailbox), client: origin.address, wantsUTF8: session.wantsUTF8)
        let opening = POP3MaildropOpening(login: login, shared: shared, eventLoop: context.eventLoop)
        work = .opening(opening)
        let began = NIODeadline.now()
        opening.start { [self] outcome in
            lastActivity = .now()
            summary.leftOut = opening.leftOut
            account.loginEnded(outcome, leftOut: opening.leftOut.map(\.server), since: began)
            switch outcome {
            case .opened(let maildrop, let servers):
                self.maildrop = maildrop
                self.servers = servers
                healing = HealingRequest(
                    maildrop, servers: servers.map(\.index), login: login, shared: shared, group: context.eventLoop)
                summary.messages = maildrop.count
                summary.withheld = maildrop.withheldCount
                summary.servers = servers.map { shared.settings.servers[$0.index].name }
                let messages = (0..<maildrop.count).map {
                    POP3Session.Message(uniqueID: maildrop.ids[$0], octets: maildrop.octets(of: $0))
                }
                workDone(session.loggedIn(messages, reply: &reply))
            case .refused(let challenge):
                shared.limits.loginFailed(origin, credentials: [Array(mailbox.utf8), credentials.secret.octets])
                summary.refusedLogins += 1
                workDone(session.loginFailed(.refused(challenge: challenge), reply: &reply))
            case .unavailable:
                shared.logger.warning(
                    "No mailbox server can be reached for a login",
                    metadata: ["servers.left_out": "\(opening.leftOut.map { "\($0.server): \($0.reason)" })"])
                workDone(session.loginFailed(.unavailable, reply: &reply))
            }
        }
    }
}
