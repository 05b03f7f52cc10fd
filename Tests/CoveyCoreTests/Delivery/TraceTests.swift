import CoveyCore
import Glibc
import Testing

@Suite struct TraceTests {
    private func trace(_ change: (inout Trace) -> Void = { _ in }) -> [String] {
        var trace = Trace(
            clientHost: "mail.example.org", clientAddress: "192.0.2.7", helo: "mx.example.org", isAuthenticated: false,
            isEncrypted: false, hostName: "mh1.example.com", queueID: "4abcDEF", recipient: nil)
        change(&trace)
        return trace.fieldValue(at: 0).split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test func `the field says from whom, by whom and when`() {
        let lines = trace()
        #expect(lines.count == 3)
        #expect(lines[0] == "from mx.example.org (mail.example.org [192.0.2.7])")
        #expect(lines[1] == "\tby mh1.example.com (covey-milter) with ESMTP id 4abcDEF;")
    }

    @Test func `a single recipient is named`() {
        #expect(trace { $0.recipient = "u1@example.com" }[2] == "\tfor <u1@example.com>;")
    }

    /// RFC 3848.
    @Test(arguments: [
        (false, false, "ESMTP"), (true, false, "ESMTPS"), (false, true, "ESMTPA"), (true, true, "ESMTPSA"),
    ])
    func `the protocol tells of encryption and authentication`(encrypted: Bool, authenticated: Bool, word: String) {
        let lines = trace {
            $0.isEncrypted = encrypted
            $0.isAuthenticated = authenticated
        }
        #expect(lines[1].contains(" with \(word) id "))
    }

    /// RFC 5321 §4.1.3.
    @Test func `an IPv6 address is an address literal`() {
        #expect(trace { $0.clientAddress = "2001:db8::7" }[0].hasSuffix("[IPv6:2001:db8::7])"))
    }

    @Test func `what a client says of itself makes no lines of its own`() {
        let lines = trace {
            $0.helo = "evil\r\nX-Forged: yes"
            $0.clientHost = "a\nb\u{0}é"
            $0.recipient = "\"a b\"@example.com"
        }
        #expect(lines.count == 4)
        #expect(lines[0] == "from evil??X-Forged:?yes (a?b??? [192.0.2.7])")
    }

    @Test func `a client without a name or an address is written down too`() {
        let lines = trace {
            $0.helo = ""
            $0.clientAddress = nil
        }
        #expect(lines[0] == "from unknown (mail.example.org local)")
    }

    /// Compared with date -R of coreutils' making (RFC 5322 §3.3), in the zone of the machine.
    @Test(arguments: [0, 951_782_400, 1_709_210_096, 4_102_444_799])
    func `dates are as strftime writes them`(seconds: Int) {
        var time = time_t(seconds)
        var parts = tm()
        localtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 64)
        let length = strftime(&text, text.count, "%a, %e %b %Y %H:%M:%S %z", &parts)
        let expected = String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            .replacing(",  ", with: ", ")
        #expect(MailDate.text(seconds) == expected)
    }
}

@Suite struct XTextTests {
    /// RFC 3461 §4: xchar is 33 to 126 without "+" and "="; the rest is "+" and two upper-case hexadecimal digits.
    @Test(arguments: [
        ("u1@example.com", "u1@example.com"), ("u1+x=y@example.com", "u1+2Bx+3Dy@example.com"),
        ("\"a b\"@example.com", "\"a+20b\"@example.com"), ("\u{1}\u{7F}", "+01+7F"), ("é", "+C3+A9"), ("", ""),
    ])
    func `an address becomes xtext`(text: String, encoded: String) {
        #expect(XText.encode(text) == encoded)
    }
}
