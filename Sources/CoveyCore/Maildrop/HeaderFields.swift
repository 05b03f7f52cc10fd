/// The header fields of a message, for looking at some of them.
///
/// Octets that are not UTF-8 come out as replacement characters; that is the same on every server, which is what counts.
public struct HeaderFields: Sendable {
    public struct Field: Sendable, Equatable {
        /// Lower-case.
        public let name: String
        /// Unfolded, runs of white space as one space, none at either end.
        public let value: String
    }

    public let fields: [Field]

    /// Reads fields up to the first empty line; line ends may be CRLF or LF. Lines that are no fields are passed over.
    public init(_ octets: some BidirectionalCollection<UInt8>) {
        var fields: [Field] = []
        var name: String? = nil
        var value: [UInt8] = []
        func finish() {
            if let name {
                let words = value.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
                fields.append(
                    Field(name: name, value: String(decoding: Array(words.joined(separator: [0x20])), as: UTF8.self)))
            }
            value = []
        }
        for line in octets.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            let line = line.last == 0x0d ? line.dropLast() : line
            guard let first = line.first else { break }
            if first == 0x20 || first == 0x09 {
                value.append(0x20)
                value.append(contentsOf: line)
                continue
            }
            finish()
            name = nil
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let nameOctets = line[..<colon].reversed().drop { $0 == 0x20 || $0 == 0x09 }.reversed()
            guard !nameOctets.isEmpty, nameOctets.allSatisfy({ (0x21...0x7e).contains($0) }) else { continue }
            name = String(decoding: nameOctets, as: UTF8.self).lowercased()
            value.append(contentsOf: line[line.index(after: colon)...])
        }
        finish()
        self.fields = fields
    }

    /// Values of all fields of that (lower-case) name, topmost first.
    public func values(of name: String) -> [String] {
        fields.filter { $0.name == name }.map(\.value)
    }
}
