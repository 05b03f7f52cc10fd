-- For miltertest(8): the MTA's side of a connection to covey-milter, step by step. Each function ends the script with an
-- error unless the filter answers as it must.
--
-- Globals from the command line: socket.
--
-- What miltertest 1.5.0 cannot see, and MilterClient.swift can: the text of a reply before the end of the message (only
-- that there is one), and what an added recipient with parameters (SMFIR_ADDRCPT_PAR) holds: that there are some is in
-- the output of -v -v.

local names = {
    [SMFIR_CONTINUE] = "continue", [SMFIR_ACCEPT] = "accept", [SMFIR_REJECT] = "reject",
    [SMFIR_TEMPFAIL] = "tempfail", [SMFIR_DISCARD] = "discard", [SMFIR_REPLYCODE] = "reply",
}

function check(what, seen, wanted)
    if seen ~= wanted then
        error(what .. ": " .. tostring(seen) .. " instead of " .. tostring(wanted), 2)
    end
end

-- failure: what a function of mt returned, nil if it could send and read. wanted: default continue.
function step(what, c, failure, wanted)
    check(what, failure, nil)
    check(what, names[mt.getreply(c)], wanted or "continue")
end

-- SMFIP_NR_*: steps that the MTA does not wait for. SMFIF_*: all actions (libmilter/mfdef.h).
local no_reply = 0xFF080
local all_steps = 0x1FFFFF
local all_actions = 0x1FF

-- asks: an MTA that wants an answer to each step. Without it nothing is read where the filter asked not to be waited for:
-- an answer too many would be taken for that of a later step.
function negotiated(asks)
    local c = mt.connect("unix:" .. socket)
    if c == nil then error("no connection") end
    -- Its manual has actions before steps; what it does is the other way round.
    check("negotiation", mt.negotiate(c, 6, asks and all_steps - no_reply or all_steps, all_actions), nil)
    return c
end

-- A connection that has said HELO. door: the daemon's name, "COVEY" for the back door.
function open(door, asks)
    local c = negotiated(asks)
    mt.macro(c, SMFIC_CONNECT, "j", "mh1.example.com", "{daemon_name}", door or "smtpd")
    step("connect", c, mt.conninfo(c, "mail.example.org", "192.0.2.7"))
    step("HELO", c, mt.helo(c, "mx.example.org"))
    return c
end

function mail(c, sender)
    step("MAIL", c, mt.mailfrom(c, sender or "<s@example.org>", "BODY=8BITMIME"))
end

-- mailer: the transport that the MTA chose.
function rcpt(c, address, wanted, mailer)
    mt.macro(c, SMFIC_RCPT, "{rcpt_mailer}", mailer or "covey-back")
    step("RCPT " .. address, c, mt.rcptto(c, address), wanted)
end

-- Up to the end of the header.
function header(c, fields, wanted)
    for _, field in ipairs(fields or {{"From", "s@example.org"}, {"Date", "Mon, 1 Jan 2024 00:00:00 +0000"}}) do
        step("header " .. field[1], c, mt.header(c, field[1], field[2]))
    end
    step("end of header", c, mt.eoh(c), wanted)
end

function body(c, text)
    step("body", c, mt.bodystring(c, text or "Hello\r\n"))
end

function eom(c, wanted)
    step("end of message", c, mt.eom(c), wanted)
end

-- The reply at the end of a message, word for word.
function refused(c, code, enhanced, text)
    eom(c, "reply")
    check("reply " .. code, mt.eom_check(c, MT_SMTPREPLY, code, enhanced, text), true)
    check("a stamp on a refused message", mt.eom_check(c, MT_HDRADD), false)
end

-- A whole message to u1@example.com, which must end so.
function message(c, wanted, text)
    mail(c)
    rcpt(c, "<u1@example.com>")
    header(c)
    body(c, text)
    eom(c, wanted)
end

function done(c)
    check("QUIT", mt.disconnect(c), nil)
    print("script done")
end
