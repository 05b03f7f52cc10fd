/// How long Postfix keeps what it cannot deliver, seconds.
public struct QueueLifetime: Sendable, Equatable {
    public var messages: Int
    /// Of mail from nobody, that is bounces.
    public var bounces: Int

    public init(messages: Int, bounces: Int) {
        self.messages = messages
        self.bounces = bounces
    }

    /// postconf(5): what both are when nobody has set them.
    public static let standard = QueueLifetime(messages: 5 * 86_400, bounces: 5 * 86_400)

    /// The parameters of main.cf that say so.
    public static let parameters = ["maximal_queue_lifetime", "bounce_queue_lifetime"]

    /// - Parameter output: what `postconf -x` prints for `parameters`. Nil when it is anything else.
    public init?(postconf output: String) {
        var values: [Substring: Int] = [:]
        for line in output.split(separator: "\n") {
            guard let equals = line.firstRange(of: " = ") else { return nil }
            values[line[..<equals.lowerBound]] = QueueLifetime.seconds(line[equals.upperBound...])
        }
        guard let messages = values["maximal_queue_lifetime"], let bounces = values["bounce_queue_lifetime"] else {
            return nil
        }
        self.init(messages: messages, bounces: bounces)
    }

    /// postconf(5), "maximal_queue_lifetime": a number and s, m, h, d or w; without a letter it means days.
    private static func seconds(_ text: Substring) -> Int? {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
        let unit = text.last.flatMap { units[$0] }
        guard let number = Int(unit == nil ? text : text.dropLast()), number >= 0 else { return nil }
        let (seconds, isTooLarge) = number.multipliedReportingOverflow(by: unit ?? 86_400)
        return isTooLarge ? nil : seconds
    }

    func seconds(of copy: MissingCopy) -> Int { copy.isFromNobody ? bounces : messages }

    /// How long before its end a copy is near it: a day, so that somebody can act; half of a short life.
    func lastPart(of copy: MissingCopy) -> Int { min(86_400, seconds(of: copy) / 2) }
}
