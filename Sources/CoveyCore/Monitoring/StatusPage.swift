/// The status page of a daemon: one HTML document and one style sheet, without scripts or anything from elsewhere.
public enum StatusPage {
    /// Nothing is loaded but the style sheet of the same server, and nobody frames the page.
    public static let contentSecurityPolicy =
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    /// Seconds after which the page loads itself anew.
    static let refresh = 15

    public static func html(_ status: DaemonStatus) -> String {
        let name = "\(status.daemon.rawValue) on \(status.host)"
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta http-equiv="refresh" content="\(refresh)">
            <title>\(status.state.rawValue): \(escaped(name))</title>
            <link rel="stylesheet" href="style.css">
            </head>
            <body class="\(status.state.rawValue)">
            <header>
            <h1>\(escaped(status.daemon.rawValue)) <small>on \(escaped(status.host))</small></h1>
            <p class="state">\(status.state.rawValue)</p>
            </header>
            <main>
            \(problems(status))<h2>Mailbox servers</h2>
            <div class="cards">
            \(status.servers.map { card($0, now: status.now) }.joined())</div>
            <h2>Now and since the start</h2>
            \(figures(status.figures, now: status.now))\
            \(status.latency.map { "<h2>Time of a login</h2>\n" + bars($0) } ?? "")\
            \(status.failovers.map { failovers($0, now: status.now) } ?? "")</main>
            <footer>
            <p>\(moment(status.now)), up for \(span(status.now - status.started)). \
            <a href="metrics">metrics</a> <a href="status.json">status.json</a> <a href="healthz">healthz</a></p>
            </footer>
            </body>
            </html>

            """
    }

    private static func problems(_ status: DaemonStatus) -> String {
        guard !status.problems.isEmpty else { return "" }
        let items = status.problems.map { "<li class=\"\($0.state.rawValue)\">\(escaped($0.text))</li>\n" }
        return "<ul class=\"problems\">\n\(items.joined())</ul>\n"
    }

    private static func card(_ server: DaemonStatus.Server, now: Int) -> String {
        let word = server.isUp ? "up" : "down"
        let reason = server.reason.map { "<p class=\"reason\">\(escaped($0))</p>\n" } ?? ""
        let latency = server.latency.map { "<h4>Time of a delivery</h4>\n" + bars($0) } ?? ""
        return """
            <section class="card \(word)">
            <h3>\(escaped(server.name)) <span class="badge">\(word)</span></h3>
            \(reason)\(figures(server.figures, now: now))\(latency)</section>

            """
    }

    private static func figures(_ figures: [DaemonStatus.Figure], now: Int) -> String {
        let items = figures.map { figure in
            "<div><dt>\(escaped(figure.title))</dt><dd>\(text(of: figure, now: now))</dd></div>\n"
        }
        return "<dl>\n\(items.joined())</dl>\n"
    }

    /// One bar for each bucket, as long as its share of all.
    private static func bars(_ histogram: LatencyHistogram) -> String {
        guard histogram.count > 0 else { return "<p class=\"none\">none yet</p>\n" }
        var rows = ""
        for bucket in histogram.buckets {
            let share = Double(bucket.count) / Double(histogram.count) * 100
            let title = bucket.bound.map { "≤ \(seconds($0))" } ?? "longer"
            // Widths are attributes of SVG: the policy allows no style attributes.
            rows += """
                <tr><th scope="row">\(title)</th><td><svg class="bar" role="img" aria-label="\(Int(share.rounded())) %">\
                <rect width="\((share * 10).rounded() / 10)%" height="100%"/></svg></td><td class="n">\(grouped(bucket.count))</td></tr>

                """
        }
        return "<table class=\"bars\">\n\(rows)</table>\n"
    }

    private static func failovers(_ failovers: [DaemonStatus.Failover], now: Int) -> String {
        let title = "<h2>Recent failovers</h2>\n"
        guard !failovers.isEmpty else { return title + "<p class=\"none\">none</p>\n" }
        let rows = failovers.map {
            "<li>\(span(now - $0.time)) ago: from \(escaped($0.from)) to \(escaped($0.to))</li>\n"
        }
        return title + "<ol class=\"failovers\">\n\(rows.joined())</ol>\n"
    }

    // MARK: words

    private static func text(of figure: DaemonStatus.Figure, now: Int) -> String {
        switch figure.unit {
        case .count: grouped(figure.value)
        case .octets: octets(figure.value)
        case .flag: figure.value == 0 ? "no" : "yes"
        case .moment: "\(span(now - figure.value)) ago"
        }
    }

    /// `1 234 567`, with narrow spaces that do not break.
    static func grouped(_ number: Int) -> String {
        let digits = Array(String(number.magnitude))
        var text = number < 0 ? "-" : ""
        for (place, digit) in digits.enumerated() {
            if place > 0, (digits.count - place) % 3 == 0 { text += "\u{202F}" }
            text.append(digit)
        }
        return text
    }

    static func octets(_ number: Int) -> String {
        var (value, unit) = (Double(number), "B")
        for next in ["KiB", "MiB", "GiB", "TiB"] where value >= 1_024 { (value, unit) = (value / 1_024, next) }
        return unit == "B" ? "\(number) B" : "\((value * 10).rounded() / 10) \(unit)"
    }

    /// `3 d 4 h`, `12 min`, `7 s`.
    static func span(_ seconds: Int) -> String {
        let seconds = max(0, seconds)
        switch seconds {
        case ..<120: return "\(seconds) s"
        case ..<7_200: return "\(seconds / 60) min"
        case ..<172_800: return "\(seconds / 3_600) h \(seconds % 3_600 / 60) min"
        default: return "\(seconds / 86_400) d \(seconds % 86_400 / 3_600) h"
        }
    }

    private static func seconds(_ value: Double) -> String {
        value < 1 ? "\(Int((value * 1_000).rounded())) ms" : "\(MetricText.number(value)) s"
    }

    private static func moment(_ time: Int) -> String { escaped(MailDate.text(time)) }

    /// HTML's own characters in text and attributes (HTML Living Standard §13.3).
    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
