internal import NIOCore

/// The binary header of PROXY protocol version 2 (§2.2).
enum ProxyHeaderV2 {
    static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
    /// Octets of addresses and TLVs after the fixed part. The largest addresses have 216; HAProxy's TLVs (names, TLS,
    /// a unique id) take a few hundred, and a client certificate's name is in them at most.
    static let longestRest = 4_096
    private static let fixedPart = 16

    static func take(from buffer: inout ByteBuffer) throws(ProxyHeaderError) -> ProxyHeader? {
        let octets = buffer.readableBytesView
        guard octets.prefix(signature.count).elementsEqual(signature.prefix(octets.count)) else { throw .noHeader }
        guard octets.count >= fixedPart else { return nil }
        let start = buffer.readerIndex + signature.count
        guard let versionAndCommand: UInt8 = buffer.getInteger(at: start),
            let familyAndProtocol: UInt8 = buffer.getInteger(at: start + 1),
            let rest: UInt16 = buffer.getInteger(at: start + 2)
        else { return nil }
        guard versionAndCommand >> 4 == 2 else { throw .badVersion }
        // §2.2: any other command must make the receiver drop the connection.
        guard let command = Command(rawValue: versionAndCommand & 0x0f) else { throw .badCommand }
        let family = try Family(familyAndProtocol, command)
        guard rest <= longestRest else { throw .tooLong }
        guard rest >= family.octets else { throw .tooShort }
        guard buffer.readableBytes >= fixedPart + Int(rest) else { return nil }
        buffer.moveReaderIndex(forwardBy: fixedPart)
        guard var addresses = buffer.readSlice(length: Int(rest)) else { return nil }
        // What is behind the addresses are TLVs, of which none is needed.
        return family.header(&addresses)
    }

    private enum Command: UInt8 {
        case local = 0
        case proxy = 1
    }

    private enum Family {
        case none, v4, v6, unix

        init(_ octet: UInt8, _ command: Command) throws(ProxyHeaderError) {
            switch (command, octet) {
            // §2.2: with LOCAL the family is to be ignored. 0x00 is AF_UNSPEC.
            case (.local, _), (.proxy, 0x00): self = .none
            // The low half is 1 for a stream; mail does not come in datagrams.
            case (.proxy, 0x11): self = .v4
            case (.proxy, 0x21): self = .v6
            case (.proxy, 0x31): self = .unix
            default: throw .badFamily
            }
        }

        /// What the two addresses and ports take.
        var octets: Int {
            switch self {
            case .none: 0
            case .v4: 12
            case .v6: 36
            case .unix: 216
            }
        }

        /// Source address, destination address, source port, destination port, in that order.
        func header(_ rest: inout ByteBuffer) -> ProxyHeader {
            let length: Int
            switch self {
            case .none, .unix: return .noClient
            case .v4: length = 4
            case .v6: length = 16
            }
            guard let address = rest.getSlice(at: rest.readerIndex, length: length),
                let port: UInt16 = rest.getInteger(at: rest.readerIndex + 2 * length),
                let source = try? SocketAddress(packedIPAddress: address, port: Int(port))
            else { preconditionFailure("the length was looked at before") }
            return .client(source)
        }
    }
}
