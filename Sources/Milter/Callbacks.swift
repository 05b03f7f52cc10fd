import CMilter
import Glibc
import Synchronization

/// The C functions that libmilter calls. Each finds its connection's session and hands on.
enum Callbacks {
    static func install(in filter: inout smfiDesc) {
        filter.xxfi_negotiate = { context, actions, steps, _, _, wantedActions, wantedSteps, unused2, unused3 in
            Callbacks.negotiate(actions, steps, wantedActions, wantedSteps, unused2, unused3)
        }
        filter.xxfi_connect = { context, host, address in
            guard let context, let running = MilterServer.running.withLock({ $0 }) else { return SMFIS_TEMPFAIL }
            let session = running.makeSession()
            smfi_setpriv(context, Unmanaged.passRetained(SessionBox(session)).toOpaque())
            let verdict = session.connect(
                host: host.map { String(cString: $0) } ?? "", address: Callbacks.addressText(address),
                MilterContext(pointer: context))
            return Callbacks.status(of: verdict, at: .connect)
        }
        filter.xxfi_helo = { context, name in
            Callbacks.call(context, at: .helo) { $0.helo(name.map { String(cString: $0) } ?? "", $1) }
        }
        filter.xxfi_envfrom = { context, arguments in
            Callbacks.call(context, at: .sender) { $0.envelopeSender(Callbacks.strings(arguments), $1) }
        }
        filter.xxfi_envrcpt = { context, arguments in
            Callbacks.call(context, at: .recipient) { $0.envelopeRecipient(Callbacks.strings(arguments), $1) }
        }
        filter.xxfi_header = { context, name, value in
            Callbacks.call(context, at: .header) {
                $0.header(name: Callbacks.octets(name), value: Callbacks.octets(value), $1)
            }
        }
        filter.xxfi_eoh = { context in Callbacks.call(context, at: .endOfHeader) { $0.endOfHeader($1) } }
        filter.xxfi_body = { context, octets, length in
            Callbacks.call(context, at: .body) { $0.body(UnsafeRawBufferPointer(start: octets, count: length), $1) }
        }
        filter.xxfi_eom = { context in Callbacks.call(context) { $0.endOfMessage($1) } }
        filter.xxfi_abort = { context in
            Callbacks.call(context) { session, _ in
                session.abort()
                return .proceed
            }
        }
        filter.xxfi_close = { context in
            guard let context, let box = smfi_getpriv(context) else { return SMFIS_CONTINUE }
            smfi_setpriv(context, nil)
            Unmanaged<SessionBox>.fromOpaque(box).takeRetainedValue().session.close()
            return SMFIS_CONTINUE
        }
    }

    /// Takes the session, or asks the MTA to come again when there is none.
    private static func call(
        _ context: OpaquePointer?, at step: MilterSteps = [],
        _ body: (any MilterSession, MilterContext) -> MilterVerdict
    ) -> sfsistat {
        guard let context, let box = smfi_getpriv(context) else { return SMFIS_TEMPFAIL }
        let session = Unmanaged<SessionBox>.fromOpaque(box).takeUnretainedValue().session
        return status(of: body(session, MilterContext(pointer: context)), at: step)
    }

    /// What libmilter is told. It complains in the system's log of every answer in a step that was to have none.
    private static func status(of verdict: MilterVerdict, at step: MilterSteps) -> sfsistat {
        verdict == .proceed && silentSteps.withLock({ $0.contains(step) && !step.isEmpty })
            ? SMFIS_NOREPLY : verdict.status
    }

    /// Steps that every MTA so far agreed to go on from without an answer: no answer at all where one is waited for
    /// would hang the MTA, an answer too many only is a line in a log.
    private static let silentSteps = Mutex<MilterSteps>([
        .connect, .helo, .sender, .recipient, .data, .header, .endOfHeader, .body,
    ])

    private static func negotiate(
        _ actions: UInt, _ steps: UInt, _ wantedActions: UnsafeMutablePointer<UInt>?,
        _ wantedSteps: UnsafeMutablePointer<UInt>?, _ unused2: UnsafeMutablePointer<UInt>?,
        _ unused3: UnsafeMutablePointer<UInt>?
    ) -> sfsistat {
        let needed = UInt(SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_ADDRCPT_PAR | SMFIF_DELRCPT)
        // An MTA that cannot add and remove recipients would lose the missing copies.
        guard actions & needed == needed else { return SMFIS_REJECT }
        wantedActions?.pointee = needed
        var wanted = UInt(SMFIP_NOUNKNOWN | SMFIP_NODATA)
        // Header values whole, their leading space included: copies must have the fields as they arrived.
        wanted |= UInt(SMFIP_HDR_LEADSPC)
        let unanswered = MilterServer.running.withLock { $0?.unanswered ?? [] }
        for (step, flag) in noReplyFlags {
            if unanswered.contains(step) { wanted |= UInt(flag) }
            if !unanswered.contains(step) || steps & UInt(flag) == 0 {
                _ = silentSteps.withLock { $0.remove(step) }
            }
        }
        wantedSteps?.pointee = wanted & steps
        unused2?.pointee = 0
        unused3?.pointee = 0
        return SMFIS_CONTINUE
    }

    private static let noReplyFlags: [(MilterSteps, Int)] = [
        (.connect, SMFIP_NR_CONN), (.helo, SMFIP_NR_HELO), (.sender, SMFIP_NR_MAIL), (.recipient, SMFIP_NR_RCPT),
        (.data, SMFIP_NR_DATA), (.header, SMFIP_NR_HDR), (.endOfHeader, SMFIP_NR_EOH), (.body, SMFIP_NR_BODY),
    ]

    private static func octets(_ text: UnsafeMutablePointer<CChar>?) -> UnsafeRawBufferPointer {
        guard let text else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: text, count: strlen(text))
    }

    private static func strings(
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    ) -> [String?] {
        var result: [String?] = []
        var index = 0
        while let argument = arguments?[index] {
            result.append(String(validatingCString: argument))
            index += 1
        }
        return result
    }

    private static func addressText(_ address: UnsafeMutablePointer<sockaddr>?) -> String? {
        guard let address else { return nil }
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let length: Int
        switch Int32(address.pointee.sa_family) {
        case AF_INET: length = MemoryLayout<sockaddr_in>.size
        case AF_INET6: length = MemoryLayout<sockaddr_in6>.size
        default: return nil
        }
        let status = getnameinfo(
            UnsafeRawPointer(address).assumingMemoryBound(to: sockaddr.self), socklen_t(length), &text,
            socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        guard status == 0 else { return nil }
        return text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } }
    }
}

/// Holds a session in libmilter's private pointer.
private final class SessionBox {
    let session: any MilterSession
    init(_ session: any MilterSession) { self.session = session }
}

extension MilterVerdict {
    var status: sfsistat {
        switch self {
        case .proceed: SMFIS_CONTINUE
        case .accept: SMFIS_ACCEPT
        case .reject: SMFIS_REJECT
        case .tempfail: SMFIS_TEMPFAIL
        case .discard: SMFIS_DISCARD
        }
    }
}
