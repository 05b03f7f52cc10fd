public import CoveyCore
internal import Glibc
public import NIOCore
internal import NIOPosix

/// Asks a port whether a server greets there, as its clients would find it, and takes leave.
public enum ServerGreeting {
    public enum Kind: Sendable {
        /// RFC 5321 §4.2: 220.
        case smtp
        /// RFC 1939 §3: +OK.
        case pop3
        /// TLS from the first octet: that somebody takes the connection must do.
        case tls

        fileprivate var beginning: String? {
            switch self {
            case .smtp: "220"
            case .pop3: "+OK"
            case .tls: nil
            }
        }
    }

    public enum Answer: Sendable, Equatable {
        case greeted
        /// Why not; in plain words.
        case silent(String)
        /// This host has no way to such an address: that says nothing about the server.
        case cannotAsk(String)
    }

    /// - Parameter patience: for the connection, and again for the greeting.
    public static func ask(
        _ kind: Kind, at endpoint: Endpoint, patience: TimeAmount, group: any EventLoopGroup
    ) async -> Answer {
        do {
            let loop = group.next()
            let result = loop.makePromise(of: Void.self)
            let channel: any Channel
            do {
                channel = try await ClientBootstrap(group: loop).connectTimeout(patience)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(
                                Listener(kind, result: result, patience: patience))
                        }
                    }.connect(host: endpoint.host, port: endpoint.port).get()
            } catch {
                result.fail(error)
                throw error
            }
            defer { channel.close(promise: nil) }
            try await result.futureResult.get()
            return .greeted
        } catch let failure as Failure {
            return .silent(failure.reason)
        } catch {
            return hasNoWay(error) ? .cannotAsk(plainText(error)) : .silent(plainText(error))
        }
    }

    /// connect(2): no route of that family here. A host on our own network that is switched off is EHOSTUNREACH.
    private static func hasNoWay(_ error: any Error) -> Bool {
        let errors =
            (error as? NIOConnectionError)?.connectionErrors.map(\.error) ?? [error]
        return !errors.isEmpty
            && errors.allSatisfy { error in
                [ENETUNREACH, EAFNOSUPPORT, EADDRNOTAVAIL].contains((error as? IOError)?.errnoCode ?? 0)
            }
    }

    private struct Failure: Error {
        var reason: String
    }

    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let kind: Kind
        private let patience: TimeAmount
        private var result: EventLoopPromise<Void>?
        private var received = ""
        private var deadline: Scheduled<Void>?

        init(_ kind: Kind, result: EventLoopPromise<Void>, patience: TimeAmount) {
            self.kind = kind
            self.result = result
            self.patience = patience
        }

        func channelActive(context: ChannelHandlerContext) {
            guard kind.beginning != nil else { return end(nil) }
            deadline = context.eventLoop.assumeIsolated().scheduleTask(in: patience) { self.end("no greeting in time") }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard let beginning = kind.beginning, result != nil else { return }
            let octets = unwrapInboundIn(data)
            received += String(decoding: octets.readableBytesView.prefix(200), as: UTF8.self)
            guard let line = received.split(whereSeparator: \.isNewline).first, received.contains(where: \.isNewline)
            else {
                if received.utf8.count > 2_000 { end("what it says is no greeting") }
                return
            }
            guard line.hasPrefix(beginning) else { return end("greeting: \(line.prefix(100))") }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "QUIT\r\n")), promise: nil)
            end(nil)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { end(plainText(error)) }

        func channelInactive(context: ChannelHandlerContext) { end("it closed the connection without a greeting") }

        private func end(_ failure: String?) {
            deadline?.cancel()
            let result = self.result
            self.result = nil
            if let failure { result?.fail(Failure(reason: failure)) } else { result?.succeed() }
        }
    }
}
