/// What a proxy's healer has done since it started.
public struct HealingFigures: Sendable, Equatable {
    /// Missing copies made anew.
    public var made = 0
    /// Copies that could not be made: each try counts.
    public var failed = 0

    public init(made: Int = 0, failed: Int = 0) {
        self.made = made
        self.failed = failed
    }
}
