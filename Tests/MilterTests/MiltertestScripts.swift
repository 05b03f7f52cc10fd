import Testing

/// One conversation with miltertest, and what must have come of it.
struct MiltertestScript: Sendable, CustomTestStringConvertible {
    var name: String
    var manners: [Manner] = [.stores, .stores]
    var milter: [String] = []
    var discards = true
    /// Messages that server a was given, whatever it said.
    var given = 0
    /// Recipients that the milter adds (SMFIR_ADDRCPT_PAR): missing copies.
    var added = 0
    var text: String
    var testDescription: String { name }
}

extension MiltertestScript {
    /// Up to RCPT.
    static let envelope = [
        MiltertestScript(
            name: "negotiation: what is not waited for, what is not sent, and header values with their spaces",
            text: """
                local c = negotiated()
                for name, option in pairs({ connect = SMFIP_NR_CONN, helo = SMFIP_NR_HELO, mail = SMFIP_NR_MAIL,
                    header = SMFIP_NR_HDR, body = SMFIP_NR_BODY, data = SMFIP_NODATA, unknown = SMFIP_NOUNKNOWN,
                    space = SMFIP_HDR_LEADSPC }) do
                    check(name, mt.test_option(c, option), true)
                end
                for name, option in pairs({ rcpt = SMFIP_NR_RCPT, eoh = SMFIP_NR_EOH, body = SMFIP_NOBODY }) do
                    check(name, mt.test_option(c, option), false)
                end
                for _, action in ipairs({ SMFIF_ADDHDRS, SMFIF_CHGHDRS, SMFIF_DELRCPT, SMFIF_ADDRCPT_PAR }) do
                    check("action " .. action, mt.test_action(c, action), true)
                end
                check("body", mt.test_action(c, SMFIF_CHGBODY), false)
                check("DATA", pcall(mt.data, c), false)
                done(c)
                """),
        MiltertestScript(
            name: "negotiation: an MTA that cannot add a recipient with parameters is not served",
            text: """
                local c = mt.connect("unix:" .. socket)
                check("served", mt.negotiate(c, 6, 0x1FFFFF, 0x1FF - SMFIF_ADDRCPT_PAR) == nil, false)
                done(open())
                """),
        MiltertestScript(
            name: "every step: an MTA that wants an answer gets go on", given: 1,
            text: """
                local c = open("smtpd", true)
                check("connect is answered", mt.test_option(c, SMFIP_NR_CONN), false)
                message(c, "discard")
                done(c)
                """),
        MiltertestScript(
            name: "every step: an MTA that wants no answer gets none but those that count", given: 1,
            text: """
                local c = open()
                message(c, "discard")
                done(c)
                """),
        MiltertestScript(
            name: "MAIL: a sender that is no text is refused at RCPT, for mailboxes of the cluster alone",
            text: """
                for _, asks in ipairs({ false, true }) do
                    local c = open("smtpd", asks)
                    mail(c, "<s\\xFF@example.org>")
                    rcpt(c, "<u1@example.com>", "reply")
                    rcpt(c, "<x@elsewhere.example>", "continue", "smtp")
                    if asks then done(c) end
                end
                """),
        MiltertestScript(
            name: "RCPT: unknown users with reject_unknown, others go on", milter: ["reject_unknown = true"], given: 1,
            text: """
                local c = open()
                mail(c)
                rcpt(c, "<nobody@example.com>", "reply")
                rcpt(c, "<u1@example.com>")
                header(c)
                body(c)
                eom(c, "discard")
                done(c)
                """),
        MiltertestScript(
            name: "RCPT: all servers down with reject_unknown", manners: [.isDown, .isDown],
            milter: ["reject_unknown = true"],
            text: """
                local c = open()
                mail(c)
                rcpt(c, "<u1@example.com>", "reply")
                rcpt(c, "<x@elsewhere.example>", "continue", "smtp")
                done(c)
                """),
        MiltertestScript(
            name: "RCPT: at the back door unknown users, other people's domains and what is no address",
            text: """
                local c = open("COVEY")
                mail(c)
                for _, address in ipairs({ "<nobody@example.com>", "<x@elsewhere.example>", "<u1>" }) do
                    rcpt(c, address, "reply")
                end
                rcpt(c, "<u1@example.com>")
                done(c)
                """),
        MiltertestScript(
            name: "RCPT: the journal and the addresses of missing copies, at both doors", given: 2,
            text: """
                for _, door in ipairs({ "smtpd", "COVEY" }) do
                    local c = open(door)
                    mail(c)
                    for _, address in ipairs({ "<covey-journal@example.com>", "<Covey-Journal+x@Example.com>",
                        "<u1@example.com.a.covey.invalid>", "<x@covey.invalid>" }) do
                        rcpt(c, address, "reply")
                    end
                    rcpt(c, "<u1@example.com>")
                    header(c)
                    body(c, door .. "\\r\\n")
                    eom(c, "discard")
                    done(c)
                end
                """),
    ]

    /// Up to the end of the message.
    static let content = [
        MiltertestScript(
            name: "end of header: a message for others only is let go, the next one is ours again", given: 1,
            text: """
                local c = open()
                mail(c)
                rcpt(c, "<x@elsewhere.example>", "continue", "smtp")
                header(c, nil, "accept")
                message(c, "discard")
                done(c)
                """),
        MiltertestScript(
            name: "end of header: a message for others too goes on, with the mailbox removed and a stamp", given: 1,
            text: """
                local c = open()
                mail(c)
                rcpt(c, "<x@elsewhere.example>", "continue", "smtp")
                rcpt(c, "<u1@example.com>")
                header(c)
                body(c)
                eom(c, "continue")
                check("mailbox", mt.eom_check(c, MT_RCPTDELETE, "<u1@example.com>"), true)
                check("other", mt.eom_check(c, MT_RCPTDELETE, "<x@elsewhere.example>"), false)
                check("stamp", mt.eom_check(c, MT_HDRADD, "X-UIDL"), true)
                done(c)
                """),
        MiltertestScript(
            name: "end of message: where nothing may be discarded it goes on with one stamp, forged ones removed",
            discards: false, given: 1,
            text: """
                local c = open()
                mail(c)
                rcpt(c, "<U1@example.com>")
                header(c, { { "X-UIDL", "cv1aaaaaaaaaaaaaaaaaaaaaaaaaa" }, { "Date", "x" }, { "x-uidl", "b" } })
                body(c)
                eom(c, "continue")
                check("as typed", mt.eom_check(c, MT_RCPTDELETE, "<U1@example.com>"), true)
                check("first", mt.eom_check(c, MT_HDRDELETE, "X-UIDL", 1), true)
                check("second", mt.eom_check(c, MT_HDRDELETE, "X-UIDL", 2), true)
                check("third", mt.eom_check(c, MT_HDRDELETE, "X-UIDL", 3), false)
                local stamp = mt.getheader(c, "X-UIDL", 0)
                check("stamp", stamp ~= nil and stamp:match("^ cv1[a-z2-7]+$") ~= nil and #stamp, 30)
                check("Message-ID", mt.eom_check(c, MT_HDRADD, "Message-ID"), false)
                check("inserted", mt.eom_check(c, MT_HDRINSERT), false)
                check("body", mt.eom_check(c, MT_BODYCHANGE), false)
                check("quarantine", mt.eom_check(c, MT_QUARANTINE), false)
                done(c)
                """),
        MiltertestScript(
            name: "end of message: a copy that one server lacks is left to the MTA", manners: [.stores, .isDown],
            given: 2, added: 2,
            text: """
                local c = open()
                message(c, "continue", "1\\r\\n")
                check("mailbox", mt.eom_check(c, MT_RCPTDELETE, "<u1@example.com>"), true)
                check("stamp", mt.eom_check(c, MT_HDRADD, "X-UIDL"), true)
                message(open("COVEY"), "continue", "2\\r\\n")
                done(c)
                """),
        MiltertestScript(
            name: "end of message: 451 while no server answers, with nothing changed", manners: [.isDown, .isDown],
            text: """
                local c = open()
                mail(c)
                rcpt(c, "<u1@example.com>")
                header(c)
                body(c)
                refused(c, "451", "4.3.2", "no mailbox server can take the message now, try again later")
                check("mailbox", mt.eom_check(c, MT_RCPTDELETE, "<u1@example.com>"), false)
                done(c)
                """),
        MiltertestScript(
            name: "end of message: 451 with a server's own words", manners: [.isBusy, .isDown], given: 1,
            text: """
                local c = open()
                mail(c)
                rcpt(c, "<u1@example.com>")
                header(c)
                body(c)
                refused(c, "451", "4.3.0", "mailbox server: index is being rebuilt")
                done(c)
                """),
        MiltertestScript(
            name: "end of message: 451 while fewer than min_copies servers store", manners: [.stores, .isDown],
            milter: ["min_copies = \"all\""], given: 1,
            text: """
                local c = open()
                mail(c)
                rcpt(c, "<u1@example.com>")
                header(c)
                body(c)
                refused(c, "451", "4.3.2", "1 of 2 mailbox servers stored the message, try again later")
                done(c)
                """),
        MiltertestScript(
            name: "end of message: 552 where every server says so, in its words", manners: [.isFull, .isFull],
            given: 2,
            text: """
                for _, door in ipairs({ "smtpd", "COVEY" }) do
                    local c = open(door)
                    mail(c)
                    rcpt(c, "<u1@example.com>")
                    header(c)
                    body(c)
                    refused(c, "552", "5.2.2", "mailbox full")
                    done(c)
                end
                """),
        MiltertestScript(
            name: "body: one beyond the spool's limit is refused at its end, for now; the next has room",
            milter: ["spool_limit = \"1MiB\""], given: 1,
            text: """
                local c = open()
                mail(c)
                rcpt(c, "<u1@example.com>")
                header(c)
                for _ = 1, 30 do body(c, string.rep("x", 60000)) end
                refused(c, "452", "4.3.1", "no room for the message, try again later")
                message(c, "discard", string.rep("x", 60000))
                done(c)
                """),
    ]

    /// What is over before its end, and what comes after it.
    static let connections = [
        MiltertestScript(
            name: "abort: at every step, and nothing of it is in the next message", given: 1,
            text: """
                local c = open()
                local steps = {
                    function() mail(c, "<first@example.org>") end,
                    function() rcpt(c, "<u2@example.com>") end,
                    function() step("header", c, mt.header(c, "Subject", "first")) end,
                    function() step("end of header", c, mt.eoh(c)) end,
                    function() body(c, "first\\r\\n") end,
                }
                for last = 1, #steps do
                    for number = 1, last do steps[number]() end
                    check("abort", mt.abort(c), nil)
                end
                message(c, "discard", "second\\r\\n")
                done(c)
                """),
        MiltertestScript(
            name: "several messages: each on its own, whatever became of the one before", given: 2,
            text: """
                local c = open()
                message(c, "discard", "1\\r\\n")
                mail(c)
                rcpt(c, "<covey-journal@example.com>", "reply")
                check("abort", mt.abort(c), nil)
                message(c, "discard", "2\\r\\n")
                check("a stamp on what is discarded", mt.eom_check(c, MT_HDRADD), false)
                done(c)
                """),
        MiltertestScript(
            name: "connections: one that breaks off at any step leaves the others alone", given: 1,
            text: """
                local other = open()
                mail(other)
                rcpt(other, "<u1@example.com>")
                for last = 0, 3 do
                    local c = open()
                    if last > 0 then mail(c) end
                    if last > 1 then rcpt(c, "<u2@example.com>") end
                    if last > 2 then header(c) end
                    check("break", mt.disconnect(c, false), nil)
                end
                header(other)
                body(other)
                eom(other, "discard")
                done(other)
                """),
    ]
}
