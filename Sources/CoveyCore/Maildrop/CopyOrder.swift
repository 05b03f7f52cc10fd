/// From which server to read a message (design §5, RETR).
public enum CopyOrder {
    /// The copies in the order in which to try them: a server on the proxy's own host first, else the one from which the
    /// fewest messages are being read now.
    ///
    /// A copy of the size that LIST showed goes before one of another size, because mail programs compare.
    ///
    /// - Parameters:
    ///   - copies: of one message, the one whose size LIST showed at the front.
    ///   - load: retrievals under way, by server.
    public static func order(
        _ copies: some Collection<MergedMaildrop.Copy>, local: Set<Int>, load: [Int]
    ) -> [MergedMaildrop.Copy] {
        guard let shown = copies.first?.octets else { return [] }
        func rank(_ place: Int, _ copy: MergedMaildrop.Copy) -> (Int, Int, Int, Int) {
            (local.contains(copy.server) ? 0 : 1, copy.octets == shown ? 0 : 1, load[copy.server], place)
        }
        return copies.enumerated().sorted { rank($0.offset, $0.element) < rank($1.offset, $1.element) }.map(\.element)
    }
}
