import Glibc

/// What every exporter tells of its process, under the names that all of them use
/// (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics).
public struct ProcessFigures: Sendable, Equatable {
    /// Seconds of processor time.
    public var processorTime: Double
    public var residentOctets: Int?
    public var openFiles: Int?
    public var mostFiles: Int?
    /// Seconds since 1970.
    public var started: Int

    public init(
        processorTime: Double, residentOctets: Int?, openFiles: Int?, mostFiles: Int?, started: Int
    ) {
        self.processorTime = processorTime
        self.residentOctets = residentOctets
        self.openFiles = openFiles
        self.mostFiles = mostFiles
        self.started = started
    }

    /// Of the calling process, now; what the system does not tell is nil.
    public static func now(started: Int) -> ProcessFigures {
        var used = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
        var limit = rlimit()
        let hasLimit = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        return ProcessFigures(
            processorTime: Double(used.tv_sec) + Double(used.tv_nsec) * 1e-9, residentOctets: residentOctets,
            openFiles: openFiles, mostFiles: hasLimit ? Int(clamping: limit.rlim_cur) : nil, started: started)
    }

    /// The second word of statm: pages (proc(5)).
    private static var residentOctets: Int? {
        guard let file = fopen("/proc/self/statm", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let words = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }.split(separator: UInt8(ascii: " "))
        return words.count > 1
            ? Int(String(decoding: words[1], as: UTF8.self)).map { $0 * sysconf(Int32(_SC_PAGESIZE)) } : nil
    }

    private static var openFiles: Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // Without ".", ".." and the directory itself.
        return count - 3
    }

    var metrics: [Metric] {
        [
            Metric(
                "process_cpu_seconds_total", .counter, "Processor time used.",
                [.init([], .decimal(processorTime))]),
            Metric(
                "process_resident_memory_bytes", .gauge, "Memory in use.",
                residentOctets.map { [.init([], .integer($0))] } ?? []),
            Metric(
                "process_open_fds", .gauge, "Open files and connections.",
                openFiles.map { [.init([], .integer($0))] } ?? []),
            Metric(
                "process_max_fds", .gauge, "Limit of open files.", mostFiles.map { [.init([], .integer($0))] } ?? []),
            Metric("process_start_time_seconds", .gauge, "When the process was started.", started),
        ]
    }
}
