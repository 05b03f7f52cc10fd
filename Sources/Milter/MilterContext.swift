import CMilter

/// The MTA's side of one callback: macros, and at the end of the message its changes.
///
/// Valid during the callback it was passed to.
public struct MilterContext {
    let pointer: OpaquePointer

    /// The value of a macro (`i`, `{daemon_name}`), nil where the MTA did not send it.
    public func macro(_ name: String) -> String? {
        guard let value = name.withCString({ smfi_getsymval(pointer, UnsafeMutablePointer(mutating: $0)) }) else {
            return nil
        }
        return String(cString: value)
    }

    /// Puts a header field below all others; `value` with the space that stands behind the colon.
    public func appendHeader(_ name: String, _ value: String) throws(MilterError) {
        try check(withCStrings(name, value) { smfi_addheader(pointer, $0, $1) }, "smfi_addheader")
    }

    /// Removes the `occurrence`th field of that name, counted from 1.
    public func removeHeader(_ name: String, occurrence: Int) throws(MilterError) {
        let status = name.withCString {
            smfi_chgheader(pointer, UnsafeMutablePointer(mutating: $0), Int32(occurrence), nil)
        }
        try check(status, "smfi_chgheader")
    }

    /// Adds an envelope recipient with ESMTP parameters (`NOTIFY=NEVER`).
    public func addRecipient(_ address: String, parameters: String) throws(MilterError) {
        try check(withCStrings(address, parameters) { smfi_addrcpt_par(pointer, $0, $1) }, "smfi_addrcpt_par")
    }

    /// Removes an envelope recipient, written exactly as it was typed.
    public func removeRecipient(_ address: String) throws(MilterError) {
        try check(
            address.withCString { smfi_delrcpt(pointer, UnsafeMutablePointer(mutating: $0)) }, "smfi_delrcpt")
    }

    /// Sets the reply for `.reject` and `.tempfail`.
    ///
    /// - Parameters:
    ///   - code: 400 to 599, of the verdict's class.
    ///   - enhanced: `4.3.0`
    ///   - text: cut to what libmilter takes (980 octets), line ends and unprintable octets made spaces.
    public func setReply(code: Int, enhanced: String, text: String) throws(MilterError) {
        // libmilter gives the text to a printf: a single % would begin a conversion (facts 15).
        var clean: [UInt8] = []
        for octet in text.utf8.prefix(450) {
            if octet == UInt8(ascii: "%") { clean.append(octet) }
            clean.append((0x20...0x7E).contains(octet) ? octet : UInt8(ascii: " "))
        }
        let status = withCStrings("\(code)", enhanced) { code, enhanced in
            String(decoding: clean, as: UTF8.self).withCString {
                smfi_setreply(pointer, code, enhanced, UnsafeMutablePointer(mutating: $0))
            }
        }
        try check(status, "smfi_setreply")
    }

    /// Tells the MTA that an answer is still being worked on, so that it keeps waiting.
    public func reportProgress() {
        // An MTA that is gone shows at the next real answer.
        _ = smfi_progress(pointer)
    }

    private func check(_ status: Int32, _ call: String) throws(MilterError) {
        guard status == MI_SUCCESS else { throw MilterError(call: call) }
    }

    private func withCStrings<R>(
        _ first: String, _ second: String, _ body: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<CChar>) -> R
    ) -> R {
        // libmilter's parameters lack const; it does not write to them.
        first.withCString { first in
            second.withCString { body(UnsafeMutablePointer(mutating: first), UnsafeMutablePointer(mutating: $0)) }
        }
    }
}

/// A libmilter call that failed: the MTA is gone, or refused the capability.
public struct MilterError: Error, CustomStringConvertible {
    public var call: String
    public var description: String { "\(call) failed" }
}
