extension ValueKind where Value == String {
    /// Any text.
    static func text(example: String) -> ValueKind {
        .checked(wanted: "a string", example: example) { text throws(Complaint) in text }
    }

    static var domain: ValueKind { .checked(wanted: "a string", example: "\"example.com\"", Names.domain) }
    static var mailbox: ValueKind {
        .checked(wanted: "a string", example: "\"covey-journal@example.com\"", Names.mailbox)
    }
    static var systemUser: ValueKind { .checked(wanted: "a string", example: "\"covey\"", Names.systemUser) }

    static func serverName(example: String) -> ValueKind {
        .checked(wanted: "a string", example: "\"\(example)\"", Names.serverName)
    }

    /// A part of a host name.
    static func label(example: String) -> ValueKind {
        .checked(wanted: "a string", example: "\"\(example)\"") { text throws(Complaint) in
            let lowered = text.lowercased()
            guard Names.isLabel(lowered) else {
                throw Complaint(
                    "\(Quoting.toml(text)) is no host name without its domain",
                    remedy: "write one such as \"\(example)\"")
            }
            return lowered
        }
    }

    static var lookupTable: ValueKind {
        .checked(wanted: "a string", example: "\"hash:/etc/postfix/virtual\"") { text throws(Complaint) in
            let type = text.prefix { $0 != ":" }
            guard !type.isEmpty, type.endIndex < text.endIndex, text.utf8.count > type.utf8.count + 1,
                type.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }),
                !text.contains(where: \.isWhitespace)
            else {
                throw Complaint(
                    "\(Quoting.toml(text)) is no lookup table",
                    remedy: "write TYPE:NAME, such as \"hash:/etc/postfix/virtual\"")
            }
            return text
        }
    }
}

extension ValueKind where Value == Endpoint {
    static func endpoint(example: String, port: Int) -> ValueKind {
        .checked(wanted: "a string", example: "\"\(example)\"") { text throws(Complaint) in
            try EndpointSyntax.endpoint(text, examplePort: port)
        }
    }

    static func listener(example: String, port: Int) -> ValueKind {
        .checked(wanted: "a string", example: "\"\(example)\"") { text throws(Complaint) in
            try EndpointSyntax.listener(text, examplePort: port)
        }
    }
}

extension ValueKind where Value == IPAddress {
    static var address: ValueKind {
        .checked(wanted: "a string", example: "\"192.0.2.1\"", EndpointSyntax.address)
    }
}

extension ValueKind where Value == Bool {
    static func boolean(example: Bool) -> ValueKind {
        ValueKind(wanted: "a boolean", example: "\(example)") { node, _ in
            if case .boolean(let value) = node { .value(value) } else { .wrongType }
        }
    }
}

extension ValueKind where Value == Int {
    static func integer(_ range: ClosedRange<Int>, example: Int) -> ValueKind {
        ValueKind(wanted: "an integer", example: "\(example)") { node, complain in
            guard case .integer(let value) = node else { return .wrongType }
            guard range.contains(value) else {
                complain(
                    Complaint(
                        "\(value) is out of range",
                        remedy: "write a number from \(range.lowerBound) to \(range.upperBound)"), nil)
                return .refused
            }
            return .value(value)
        }
    }

    /// Octets, more than none.
    static func size(example: String) -> ValueKind {
        .checked(wanted: "a size in quotes", example: "\"\(example)\"") { text throws(Complaint) in
            guard let octets = Units.size(text) else {
                let known = Units.sizes.map(\.suffix).joined(separator: ", ")
                throw Complaint(
                    "\(Quoting.toml(text)) is no size",
                    remedy: "write a whole number with one of the units \(known), such as \"\(example)\"")
            }
            guard octets > 0 else {
                throw Complaint("must be more than zero", remedy: "write one such as \"\(example)\"")
            }
            return octets
        }
    }
}

extension ValueKind where Value == Duration {
    static func duration(
        example: String, atLeast least: Duration = .milliseconds(1), atMost most: Duration? = nil,
        because reason: String? = nil
    ) -> ValueKind {
        .checked(wanted: "a duration in quotes", example: "\"\(example)\"") { text throws(Complaint) in
            guard let duration = Units.duration(text) else {
                let known = Units.durations.map(\.suffix).joined(separator: ", ")
                throw Complaint(
                    "\(Quoting.toml(text)) is no duration",
                    remedy: "write a whole number with one of the units \(known), such as \"\(example)\"")
            }
            guard duration >= least else {
                throw Complaint("must be more than zero", remedy: "write one such as \"\(example)\"")
            }
            if let most, duration > most {
                let why = reason.map { ": \($0)" } ?? ""
                throw Complaint(
                    "\(Quoting.toml(text)) is more than \(Units.text(most))\(why)",
                    remedy: "write one such as \"\(example)\"")
            }
            return duration
        }
    }
}

extension ValueKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of a few words.
    static func word(example: Value) -> ValueKind {
        .checked(wanted: "a string", example: "\"\(example.rawValue)\"") { text throws(Complaint) in
            if let value = Value(rawValue: text) { return value }
            let words = Value.allCases.map(\.rawValue)
            let near = KnownKeys.nearest(text, in: words).map { "did you mean \"\($0)\"?" }
            throw Complaint(
                "\(Quoting.toml(text)) is unknown",
                remedy: near ?? "write one of \(words.map { "\"\($0)\"" }.joined(separator: ", "))")
        }
    }
}

extension ValueKind where Value == ClusterConfiguration.Milter.MinCopies {
    static var minCopies: ValueKind {
        ValueKind(wanted: "an integer or \"all\"", example: "1") { node, complain in
            switch node {
            case .integer(let number) where number >= 0: return .value(.count(number))
            case .integer(let number):
                complain(Complaint("\(number) is negative", remedy: "write 0, 1, … or \"all\""), nil)
            case .string("all"): return .value(.all)
            case .string(let text):
                complain(Complaint("\(Quoting.toml(text)) is unknown", remedy: "write a number or \"all\""), nil)
            default: return .wrongType
            }
            return .refused
        }
    }
}

extension ValueKind {
    /// A string that passes a check.
    static func checked(
        wanted: String, example: String, _ check: @escaping (String) throws(Complaint) -> Value
    ) -> ValueKind {
        ValueKind(wanted: wanted, example: example) { node, complain in
            guard case .string(let text) = node else { return .wrongType }
            do throws(Complaint) {
                return .value(try check(text))
            } catch {
                complain(error, nil)
                return .refused
            }
        }
    }

    /// A list whose elements are all of this kind. Every bad element is complained about.
    static func list<Element>(of kind: ValueKind<Element>, allowEmpty: Bool = true) -> ValueKind
    where Value == [Element] {
        ValueKind(wanted: "a list", example: "[\(kind.example)]") { node, complain in
            guard case .list(let nodes) = node else { return .wrongType }
            if nodes.isEmpty, !allowEmpty {
                complain(Complaint("is empty", remedy: "write at least one, such as [\(kind.example)]"), nil)
                return .refused
            }
            var values: [Element] = []
            for (index, element) in nodes.enumerated() {
                switch kind.read(element, { complaint, _ in complain(complaint, index) }) {
                case .value(let value): values.append(value)
                case .wrongType:
                    complain(
                        Complaint(
                            "element \(index + 1) is \(element.typeName), must be \(kind.wanted)",
                            remedy: "write it as \(kind.example)"), index)
                case .refused: break
                }
            }
            return values.count == nodes.count ? .value(values) : .refused
        }
    }
}
