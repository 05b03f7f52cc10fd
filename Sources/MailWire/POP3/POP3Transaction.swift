internal import NIOCore

extension POP3Session {
    /// The TRANSACTION state: an open maildrop with its marks (RFC 1939 §5).
    struct Transaction: Sendable {
        enum Result: Equatable {
            case done
            case refused(String)
            case retrieve(Int, lines: Int?)
            /// The marked messages' indices.
            case quit([Int])
        }

        private let messages: [Message]
        private var isMarked: [Bool]
        /// Of the messages that are not marked.
        private var count: Int
        private var octets: Int
        private let allOctets: Int

        init(_ messages: [Message]) {
            self.messages = messages
            self.isMarked = Array(repeating: false, count: messages.count)
            self.count = messages.count
            self.allOctets = messages.reduce(0) { $0 &+ $1.octets }
            self.octets = allOctets
        }

        mutating func receive(_ command: POP3Command, reply: inout ByteBuffer) -> Result {
            switch command {
            case .noop: reply.writeOK()
            case .stat: reply.writeOK("\(count) \(octets)")
            case .rset:
                isMarked = Array(repeating: false, count: messages.count)
                count = messages.count
                octets = allOctets
                reply.writeOK()
            case .list(nil): writeAll(heading: "\(count) messages:", reply: &reply) { "\($0.octets)" }
            case .uidl(nil): writeAll(heading: "", reply: &reply) { $0.uniqueID }
            case .list(let number?):
                return withMessage(number) { index in
                    reply.writeOK("\(number) \(messages[index].octets)")
                    return .done
                }
            case .uidl(let number?):
                return withMessage(number) { index in
                    reply.writeOK("\(number) \(messages[index].uniqueID)")
                    return .done
                }
            case .retr(let number): return withMessage(number) { .retrieve($0, lines: nil) }
            case .top(let number, let lines): return withMessage(number) { .retrieve($0, lines: lines) }
            case .dele(let number):
                let result = withMessage(number) { _ in .done }
                guard case .done = result else { return result }
                isMarked[number - 1] = true
                count -= 1
                octets -= messages[number - 1].octets
                reply.writeOK("Marked to be deleted.")
            case .quit: return .quit(isMarked.indices.filter { isMarked[$0] })
            case .capa, .stls, .user, .pass, .auth, .utf8, .lang: return .refused("Already logged in.")
            }
            return .done
        }

        private func withMessage(_ number: Int, _ body: (Int) -> Result) -> Result {
            guard number >= 1, number <= messages.count else { return .refused("There's no message \(number).") }
            guard !isMarked[number - 1] else { return .refused("Message is deleted.") }
            return body(number - 1)
        }

        private func writeAll(heading: String, reply: inout ByteBuffer, _ value: (Message) -> String) {
            reply.writeOK(heading)
            reply.reserveCapacity(reply.writerIndex + count * 40)
            for (index, message) in messages.enumerated() where !isMarked[index] {
                reply.writeString("\(index + 1) \(value(message))\r\n")
            }
            reply.writeString(".\r\n")
        }
    }
}

extension ByteBuffer {
    mutating func writeOK(_ text: String = "") {
        writeString(text.isEmpty ? "+OK\r\n" : "+OK \(text)\r\n")
    }

    /// A multi-line response's lines and its dot; none of them may begin with one.
    mutating func writeLines(_ lines: [String]) {
        for line in lines { writeString("\(line)\r\n") }
        writeString(".\r\n")
    }

    mutating func writeError(_ text: String) {
        writeString("-ERR \(text)\r\n")
    }
}
