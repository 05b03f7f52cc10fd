public import CoveyCore
internal import Glibc
internal import NIOCore
internal import NIOHTTP1

/// What a daemon shows at one moment.
public struct MonitorContent: Sendable {
    public var status: DaemonStatus
    public var metrics: [Metric]

    public init(status: DaemonStatus, metrics: [Metric]) {
        self.status = status
        self.metrics = metrics
    }
}

/// The answer to one request for a page of the monitor.
///
/// Pure: which page it is and how it is labelled; the handler sends it.
struct MonitorResponse: Equatable {
    /// What can be asked for.
    enum Page: String, CaseIterable {
        case status = "/"
        case style = "/style.css"
        case json = "/status.json"
        case metrics = "/metrics"
        case health = "/healthz"
    }

    var status: HTTPResponseStatus
    var contentType = "text/plain; charset=utf-8"
    var body: String
    /// Names the methods, for 405 (RFC 9110 §15.5.6).
    var allow: String?

    /// For what is not a good request: the reason alone.
    init(refusing status: HTTPResponseStatus) {
        self.status = status
        body = "\(status.code) \(status.reasonPhrase)\n"
        if status == .methodNotAllowed { allow = "GET, HEAD" }
    }

    init(_ page: Page, _ content: MonitorContent) {
        status = .ok
        switch page {
        case .status:
            contentType = "text/html; charset=utf-8"
            body = StatusPage.html(content.status)
        case .style:
            contentType = "text/css; charset=utf-8"
            body = StatusPage.css
        case .json:
            contentType = "application/json"
            body = content.status.json
        case .metrics:
            contentType = MetricText.contentType
            body = MetricText.encode(content.metrics)
        case .health:
            let (isServing, text) = content.status.health
            if !isServing { status = .serviceUnavailable }
            body = text
        }
    }

    /// The page that a request asks for, or what is wrong with the request.
    static func page(for head: HTTPRequestHead) -> Result<Page, Refusal> {
        // RFC 9112 §3.2: a request of HTTP/1.1 has exactly one Host field.
        guard head.version == .http1_0 || head.headers["host"].count == 1 else { return .failure(.init(.badRequest)) }
        guard head.method == .GET || head.method == .HEAD else { return .failure(.init(.methodNotAllowed)) }
        guard let path = path(of: head.uri), let page = Page(rawValue: path) else {
            return .failure(.init(.notFound))
        }
        return .success(page)
    }

    struct Refusal: Error, Equatable {
        var status: HTTPResponseStatus
        init(_ status: HTTPResponseStatus) { self.status = status }
    }

    /// Without the query; of the absolute form (RFC 9112 §3.2.2) what comes behind the host.
    private static func path(of target: String) -> String? {
        var target = target[...]
        if target.lowercased().hasPrefix("http://") {
            target = target.dropFirst("http://".count).drop { $0 != "/" && $0 != "?" }
            if target.first != "/" { target = "/" + target }
        }
        guard target.first == "/" else { return nil }
        return String(target.prefix { $0 != "?" })
    }

    /// - Parameter time: seconds since 1970.
    func head(time: Int) -> HTTPResponseHead {
        var headers = HTTPHeaders([
            ("Date", MonitorResponse.date(time)), ("Content-Type", contentType),
            ("Content-Length", "\(body.utf8.count)"), ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
            ("Content-Security-Policy", StatusPage.contentSecurityPolicy),
            // One request for each connection: nothing to keep, nothing to time out in between.
            ("Connection", "close"),
        ])
        if let allow { headers.add(name: "Allow", value: allow) }
        return HTTPResponseHead(version: .http1_1, status: status, headers: headers)
    }

    /// RFC 9110 §5.6.7.
    static func date(_ time: Int) -> String {
        var time = time_t(time)
        var parts = tm()
        gmtime_r(&time, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return
            "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    }
}
