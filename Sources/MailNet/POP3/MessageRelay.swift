internal import CoveyCore
internal import MailWire
internal import NIOCore

/// One message on its way from a mailbox server to the mail program, possibly from several servers one after another.
///
/// Pure. The header section is held until it is complete, so that a server that fails before costs nothing. A server
/// that fails later is replaced: the next one's header is skipped (trace fields may differ), and so are the octets of
/// the body that were already sent, if a running hash says that they are the same.
struct MessageRelay {
    enum Output: Equatable {
        case nothing
        /// Pass these on. The first such output comes before any octet was sent.
        case send([ByteBuffer])
        /// This server's body is not the one that was begun: it cannot go on from here.
        case mismatch
    }

    private enum State {
        /// Nothing was sent.
        case holdingHeader(ByteBuffer, HeaderEndFinder)
        /// The header is too long to hold; it was sent from where it was seen to be so.
        case sendingHeader(HeaderEndFinder)
        case sendingBody
        /// A further server's header.
        case skippingHeader(HeaderEndFinder)
        /// A further server's body up to where the last one broke off.
        case comparing(BodyDigest)
    }

    private var state = State.holdingHeader(ByteBuffer(), HeaderEndFinder())
    /// Over all body octets sent.
    private var sent = BodyDigest()

    /// Whether any octet was sent.
    private(set) var hasBegun = false

    /// Takes octets of the message from the present server.
    mutating func receive(_ octets: ByteBuffer) -> Output {
        var octets = octets
        switch state {
        case .holdingHeader(var held, var finder):
            let headerEnd = octets.withUnsafeReadableBytes { finder.find(in: $0) }
            guard headerEnd == nil else {
                var header = octets
                header.moveWriterIndex(to: header.readerIndex + (headerEnd ?? 0))
                octets.moveReaderIndex(forwardBy: headerEnd ?? 0)
                state = .sendingBody
                hasBegun = true
                sent.update(octets)
                return .send([held, header, octets].filter { $0.readableBytes > 0 })
            }
            if held.readableBytes == 0 { held = octets } else { held.writeBuffer(&octets) }
            guard held.readableBytes > POP3Limits.headerSection else {
                state = .holdingHeader(held, finder)
                return .nothing
            }
            state = .sendingHeader(finder)
            hasBegun = true
            return .send([held])
        case .sendingHeader(var finder):
            let headerEnd = octets.withUnsafeReadableBytes { finder.find(in: $0) }
            state = .sendingHeader(finder)
            if let headerEnd {
                var body = octets
                body.moveReaderIndex(forwardBy: headerEnd)
                sent.update(body)
                state = .sendingBody
            }
            return .send([octets])
        case .sendingBody:
            sent.update(octets)
            return .send([octets])
        case .skippingHeader(var finder):
            guard let headerEnd = octets.withUnsafeReadableBytes({ finder.find(in: $0) }) else {
                state = .skippingHeader(finder)
                return .nothing
            }
            octets.moveReaderIndex(forwardBy: headerEnd)
            state = .comparing(BodyDigest())
            return compare(octets, with: BodyDigest())
        case .comparing(let digest):
            return compare(octets, with: digest)
        }
    }

    private mutating func compare(_ octets: ByteBuffer, with digest: BodyDigest) -> Output {
        var octets = octets
        var digest = digest
        if let known = octets.readSlice(length: min(octets.readableBytes, sent.octets - digest.octets)) {
            digest.update(known)
        }
        guard digest.octets == sent.octets else {
            state = .comparing(digest)
            return .nothing
        }
        guard digest.agrees(with: sent) else { return .mismatch }
        state = .sendingBody
        guard octets.readableBytes > 0 else { return .nothing }
        sent.update(octets)
        return .send([octets])
    }

    /// The present server says that this was the message. What is still to be sent; nil if the message is not whole.
    ///
    /// - Parameters:
    ///   - octets: what came from it, without dot-stuffing.
    ///   - announced: what its LIST said; nil for TOP.
    func sourceEnded(octets: Int, announced: Int?) -> [ByteBuffer]? {
        // Facts 18: a damaged message may end early with a perfect final dot.
        if let announced, octets < announced { return nil }
        switch state {
        case .holdingHeader(let held, _):
            // A message that is all header.
            return held.readableBytes > 0 ? [held] : []
        case .sendingHeader, .sendingBody: return []
        case .skippingHeader: return nil
        case .comparing(let digest):
            // Reached only with less than was sent: otherwise the comparison was made when the last octet came.
            return digest.octets == sent.octets && digest.agrees(with: sent) ? [] : nil
        }
    }

    /// Prepares for the next server after the present one failed. False if none can go on from here.
    mutating func nextSource() -> Bool {
        switch state {
        case .holdingHeader: state = .holdingHeader(ByteBuffer(), HeaderEndFinder())
        case .sendingHeader: return false
        case .sendingBody, .skippingHeader, .comparing: state = .skippingHeader(HeaderEndFinder())
        }
        return true
    }
}

/// Finds the empty line that ends a header section, in octets that come in pieces.
struct HeaderEndFinder: Equatable {
    private var isLineEmpty = true

    /// Octets up to and including the empty line; nil if it is not in there.
    mutating func find(in bytes: UnsafeRawBufferPointer) -> Int? {
        for (index, octet) in bytes.enumerated() {
            if octet == 0x0a {
                if isLineEmpty { return index + 1 }
                isLineEmpty = true
            } else if octet != 0x0d {
                isLineEmpty = false
            }
        }
        return nil
    }
}

extension BodyDigest {
    mutating func update(_ buffer: ByteBuffer) {
        buffer.withUnsafeReadableBytes { update($0) }
    }
}
