public import CoveyCore
internal import NIOHTTP1
public import NIOCore
internal import NIOPosix

/// Asks a daemon's monitor for one page.
public enum MonitorClient {
    /// Why there is no page; in plain words.
    public struct Failure: Error, Equatable, CustomStringConvertible {
        public let description: String
    }

    /// A status with everything in it stays far below this: octets.
    private static let longestPage = 4 * 1_024 * 1_024

    /// The content of a page that was answered with 200 or 503.
    ///
    /// - Parameters:
    ///   - path: such as `/status.json`.
    ///   - patience: for the connection, and for the whole answer.
    public static func get(
        _ path: String, at endpoint: Endpoint, patience: TimeAmount, group: any EventLoopGroup
    ) async throws(Failure) -> [UInt8] {
        do {
            let loop = group.next()
            let result = loop.makePromise(of: ByteBuffer.self)
            let request = HTTPRequestHead(
                version: .http1_1, method: .GET, uri: path,
                headers: ["Host": endpoint.description, "Connection": "close", "User-Agent": "covey-status"])
            let channel: any Channel
            do {
                channel = try await ClientBootstrap(group: loop).connectTimeout(patience)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHTTPClientHandlers()
                            try channel.pipeline.syncOperations.addHandler(
                                Receiver(request, result: result, limit: longestPage, patience: patience))
                        }
                    }.connect(host: endpoint.host, port: endpoint.port).get()
            } catch {
                result.fail(error)
                throw error
            }
            defer { channel.close(promise: nil) }
            return Array(try await result.futureResult.get().readableBytesView)
        } catch {
            throw (error as? Failure) ?? Failure(description: plainText(error))
        }
    }

    /// Sends the request and collects the answer.
    private final class Receiver: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart
        typealias OutboundOut = HTTPClientRequestPart

        private let request: HTTPRequestHead
        private let limit: Int
        private let patience: TimeAmount
        private var result: EventLoopPromise<ByteBuffer>?
        private var body = ByteBuffer()
        private var deadline: Scheduled<Void>?

        init(_ request: HTTPRequestHead, result: EventLoopPromise<ByteBuffer>, limit: Int, patience: TimeAmount) {
            self.request = request
            self.result = result
            self.limit = limit
            self.patience = patience
        }

        func channelActive(context: ChannelHandlerContext) {
            context.write(wrapOutboundOut(.head(request)), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            deadline = context.eventLoop.assumeIsolated().scheduleTask(in: patience) {
                self.end(.failure(Failure(description: "no answer in time")))
            }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                guard head.status == .ok || head.status == .serviceUnavailable else {
                    return end(.failure(Failure(description: "answered \(head.status.code)")))
                }
            case .body(var piece):
                body.writeBuffer(&piece)
                if body.readableBytes > limit { end(.failure(Failure(description: "the answer is too long"))) }
            case .end: end(.success(body))
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            end(.failure(Failure(description: error is HTTPParserError ? "it does not speak HTTP" : plainText(error))))
        }

        func channelInactive(context: ChannelHandlerContext) {
            end(.failure(Failure(description: "it closed the connection without an answer")))
        }

        private func end(_ outcome: Result<ByteBuffer, Failure>) {
            deadline?.cancel()
            let result = self.result
            self.result = nil
            switch outcome {
            case .success(let body): result?.succeed(body)
            case .failure(let failure): result?.fail(failure)
            }
        }
    }
}
