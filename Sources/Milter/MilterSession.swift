/// What a filter does with one SMTP connection. One object per connection, made when the MTA connects.
///
/// The calls for one object come one after another, but on different threads: no thread-locals. Blocking in a call is
/// allowed (libmilter adds a worker). Octets passed as buffers are valid during the call only.
///
/// An MTA may send several messages over one connection: after `endOfMessage` or `abort` the next one begins with
/// `envelopeSender`.
public protocol MilterSession: AnyObject {
    /// - Parameters:
    ///   - host: the client's name as the MTA knows it, or its address in brackets.
    ///   - address: the client's address as text (`IPv6:` not prefixed), nil for a local pipe.
    func connect(host: String, address: String?, _ context: MilterContext) -> MilterVerdict
    /// The client's HELO or EHLO argument.
    func helo(_ name: String, _ context: MilterContext) -> MilterVerdict
    /// MAIL: the reverse-path as typed (`<a@b>`) and its parameters. Nil stands for an argument that is not UTF-8.
    func envelopeSender(_ arguments: [String?], _ context: MilterContext) -> MilterVerdict
    /// RCPT: the forward-path as typed (`<a@b>`) and its parameters. Nil stands for an argument that is not UTF-8.
    func envelopeRecipient(_ arguments: [String?], _ context: MilterContext) -> MilterVerdict
    /// One header field; the value as it stands behind the colon, folded lines parted by LF.
    func header(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, _ context: MilterContext) -> MilterVerdict
    func endOfHeader(_ context: MilterContext) -> MilterVerdict
    /// A piece of the body: lines ending in CRLF, not dot-stuffed.
    func body(_ octets: UnsafeRawBufferPointer, _ context: MilterContext) -> MilterVerdict
    /// The message is complete. The only call in which the message may be changed.
    func endOfMessage(_ context: MilterContext) -> MilterVerdict
    /// The message came to an end before its time; the connection goes on.
    func abort()
    /// The connection is over; nothing is called after this.
    func close()
}

/// What the MTA shall do.
public enum MilterVerdict: Sendable, Equatable {
    /// Go on. At the end of the message: accept it.
    case proceed
    /// Accept the message (at connect: the connection) and ask no more about it.
    case accept
    /// Refuse for good; `MilterContext.setReply` says with which text.
    case reject
    /// Refuse for now.
    case tempfail
    /// Answer 250 and drop the message: only when every recipient has been taken care of.
    case discard
}

/// The protocol steps for which the MTA need not wait for an answer, to save its time; their calls must return
/// `.proceed`.
public struct MilterSteps: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }

    public static let connect = MilterSteps(rawValue: 1 << 0)
    public static let helo = MilterSteps(rawValue: 1 << 1)
    public static let sender = MilterSteps(rawValue: 1 << 2)
    public static let recipient = MilterSteps(rawValue: 1 << 3)
    public static let data = MilterSteps(rawValue: 1 << 4)
    public static let header = MilterSteps(rawValue: 1 << 5)
    public static let endOfHeader = MilterSteps(rawValue: 1 << 6)
    public static let body = MilterSteps(rawValue: 1 << 7)
}
