/// Finds the line of every key in the text of a TOML document.
///
/// The TOML reader tells where a syntax error is, but not where a key is. The locator goes over a text that the reader
/// has accepted and notes the line of each table, key and list element. Paths are written `milter.socket`,
/// `mailbox[1].name`, `cluster.domains[0]`, counted from 0. On text that is not TOML it stops at the first surprise and
/// knows only what came before.
struct KeyLocator {
    private var scanner: Scanner

    init(text: String) {
        scanner = Scanner(octets: Array(text.utf8))
        scanner.document()
    }

    /// The line of this table, key or list element, 1 and up.
    func line(of path: String) -> Int? { scanner.lines[path] }

    /// Where the value of a key ends: its last line, 1 and up, and how many octets of that line belong to it.
    func lastLine(of path: String) -> (line: Int, column: Int)? { scanner.ends[path] }
}

private struct Scanner {
    let octets: [UInt8]
    var lines: [String: Int] = [:]
    var ends: [String: (line: Int, column: Int)] = [:]
    private var position = 0
    private var lineNumber = 1
    /// How many elements each array of tables has so far.
    private var tableCounts: [String: Int] = [:]

    init(octets: [UInt8]) { self.octets = octets }

    private var next: UInt8? { position < octets.count ? octets[position] : nil }

    private func comes(_ text: StaticString) -> Bool {
        let wanted = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        return position + wanted.count <= octets.count
            && octets[position..<position + wanted.count].elementsEqual(wanted)
    }

    private mutating func advance(_ count: Int = 1) {
        for _ in 0..<count where position < octets.count {
            if octets[position] == UInt8(ascii: "\n") { lineNumber += 1 }
            position += 1
        }
    }

    private mutating func skipBlanks() {
        while let octet = next, octet == UInt8(ascii: " ") || octet == UInt8(ascii: "\t") { advance() }
    }

    /// Skips white space, line ends and comments.
    private mutating func skipFiller() {
        while let octet = next {
            switch octet {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"): advance()
            case UInt8(ascii: "#"): skipLine()
            default: return
            }
        }
    }

    private mutating func skipLine() {
        while let octet = next, octet != UInt8(ascii: "\n") { advance() }
    }

    mutating func document() {
        var table = ""
        while true {
            skipFiller()
            guard next != nil else { return }
            if comes("[[") {
                advance(2)
                guard let path = header() else { return }
                let count = tableCounts[path, default: 0]
                tableCounts[path] = count + 1
                note(path)
                table = "\(path)[\(count)]"
                note(table)
                skipLine()
            } else if comes("[") {
                advance()
                guard let path = header() else { return }
                table = path
                note(table)
                skipLine()
            } else {
                guard assignment(in: table) else { return }
            }
        }
    }

    private mutating func note(_ path: String) {
        if lines[path] == nil { lines[path] = lineNumber }
    }

    /// The path between the brackets of a table header.
    private mutating func header() -> String? {
        guard let keys = dottedKey() else { return nil }
        var path = ""
        for (index, key) in keys.enumerated() {
            path = join(path, key)
            // [server.tls] below [[server]] belongs to the newest element.
            if index < keys.count - 1, let count = tableCounts[path] { path += "[\(count - 1)]" }
        }
        return path
    }

    /// `key = value`; false when it is neither.
    private mutating func assignment(in table: String) -> Bool {
        let line = lineNumber
        guard let keys = dottedKey() else { return false }
        var path = table
        for key in keys {
            path = join(path, key)
            if lines[path] == nil { lines[path] = line }
        }
        skipBlanks()
        guard next == UInt8(ascii: "=") else { return false }
        advance()
        skipBlanks()
        guard value(path) else { return false }
        let lineStart = octets[..<position].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        ends[path] = (lineNumber, position - lineStart)
        return true
    }

    private func join(_ path: String, _ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private mutating func dottedKey() -> [String]? {
        var keys: [String] = []
        while true {
            skipBlanks()
            guard let octet = next else { return nil }
            let start = position
            if octet == UInt8(ascii: "\"") || octet == UInt8(ascii: "'") {
                quoted()
                guard position - start >= 2 else { return nil }
                keys.append(String(decoding: octets[start + 1..<position - 1], as: UTF8.self))
            } else {
                while let octet = next, Scanner.isBareKey(octet) { advance() }
                guard position > start else { return nil }
                keys.append(String(decoding: octets[start..<position], as: UTF8.self))
            }
            skipBlanks()
            guard next == UInt8(ascii: ".") else { return keys }
            advance()
        }
    }

    private static func isBareKey(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Goes past a value and notes what is inside; false when there is none.
    private mutating func value(_ path: String) -> Bool {
        switch next {
        case nil: return false
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            quoted()
        case UInt8(ascii: "["):
            advance()
            return list(path)
        case UInt8(ascii: "{"):
            advance()
            return inlineTable(path)
        default:
            while let octet = next, !Scanner.endsScalar(octet) { advance() }
        }
        return true
    }

    private static func endsScalar(_ octet: UInt8) -> Bool {
        [UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: "#"), UInt8(ascii: "\n")].contains(octet)
    }

    private mutating func list(_ path: String) -> Bool {
        var index = 0
        while true {
            skipFiller()
            if next == UInt8(ascii: "]") {
                advance()
                return true
            }
            let element = "\(path)[\(index)]"
            note(element)
            guard value(element) else { return false }
            index += 1
            skipFiller()
            if next == UInt8(ascii: ",") { advance() }
        }
    }

    private mutating func inlineTable(_ path: String) -> Bool {
        while true {
            skipFiller()
            if next == UInt8(ascii: "}") {
                advance()
                return true
            }
            guard assignment(in: path) else { return false }
            skipFiller()
            if next == UInt8(ascii: ",") { advance() }
        }
    }

    /// Goes past any of the four kinds of string.
    private mutating func quoted() {
        if comes("\"\"\"") {
            multiLine("\"\"\"", mark: UInt8(ascii: "\""), escapes: true)
        } else if comes("'''") {
            multiLine("'''", mark: UInt8(ascii: "'"), escapes: false)
        } else if let mark = next {
            advance()
            while let octet = next, octet != mark, octet != UInt8(ascii: "\n") {
                advance(octet == UInt8(ascii: "\\") && mark == UInt8(ascii: "\"") ? 2 : 1)
            }
            advance()
        }
    }

    private mutating func multiLine(_ delimiter: StaticString, mark: UInt8, escapes: Bool) {
        advance(3)
        while next != nil, !comes(delimiter) {
            advance(next == UInt8(ascii: "\\") && escapes ? 2 : 1)
        }
        advance(3)
        // One or two quotation marks may stand directly before the closing three (TOML 1.0.0, String).
        while next == mark { advance() }
    }
}
