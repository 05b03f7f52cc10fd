internal import TOMLKit

/// A TOML value as a plain Swift value, so that only this file knows the TOML reader.
enum ConfigurationNode: Equatable {
    case string(String)
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case moment(String)
    case list([ConfigurationNode])
    case table([String: ConfigurationNode])

    /// What is wrong with a text that is not TOML.
    struct SyntaxError: Error {
        var line: Int
        var column: Int
        var message: String
    }

    /// Reads a TOML document.
    static func document(_ text: String) throws(SyntaxError) -> [String: ConfigurationNode] {
        do {
            return table(try TOMLTable(string: text))
        } catch let error as TOMLParseError {
            throw SyntaxError(
                line: error.source.begin.line, column: error.source.begin.column, message: error.description)
        } catch {
            throw SyntaxError(line: 1, column: 1, message: "\(error)")
        }
    }

    private static func table(_ table: TOMLTable) -> [String: ConfigurationNode] {
        var nodes: [String: ConfigurationNode] = [:]
        for key in table.keys {
            if let value = table[key] { nodes[key] = ConfigurationNode(value.tomlValue) }
        }
        return nodes
    }

    private init(_ value: TOMLValue) {
        switch value.type {
        case .table: self = .table(value.table.map(ConfigurationNode.table) ?? [:])
        case .array:
            self = .list(value.array.map { array in array.map { ConfigurationNode($0.tomlValue) } } ?? [])
        case .string: self = .string(value.string ?? "")
        case .int: self = .integer(value.int ?? 0)
        case .double: self = .number(value.double ?? 0)
        case .bool: self = .boolean(value.bool ?? false)
        case .date, .time, .dateTime: self = .moment(value.debugDescription)
        }
    }

    /// With its article, for messages: `an integer`.
    var typeName: String {
        switch self {
        case .string: "a string"
        case .integer: "an integer"
        case .number: "a floating-point number"
        case .boolean: "a boolean"
        case .moment: "a date or time"
        case .list: "a list"
        case .table: "a table"
        }
    }
}
