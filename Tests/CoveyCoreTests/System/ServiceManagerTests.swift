import CoveyCore
import Glibc
import Testing

/// What systemd would read: a datagram socket in the file system or with an abstract name, as sd_notify(3) has it.
@Suite struct ServiceManagerTests {
    /// Binds a datagram socket there; datagrams are read without waiting, since sendto(2) has put them there already.
    private func listen(_ address: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        try #require(descriptor >= 0)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let octets = address.hasPrefix("@") ? [0] + Array(address.utf8.dropFirst()) : Array(address.utf8)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: octets) }
        let length = socklen_t(2 + octets.count)
        let status = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(status == 0, "bind: \(String(cString: strerror(errno)))")
        return descriptor
    }

    private func received(_ descriptor: Int32) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
    }

    private static var address: String { "covey-notify-\(getpid())-\(UInt32.random(in: 0 ... .max))" }

    @Test("each state is one datagram", arguments: ["/tmp/\(address)", "@\(address)"])
    func states(address: String) throws {
        let descriptor = try listen(address)
        defer {
            close(descriptor)
            unlink(address)
        }
        let manager = ServiceManager(address: address)
        manager.tell(.ready, status: "servers a, b")
        #expect(received(descriptor) == "READY=1\nSTATUS=servers a, b")
        manager.tell(.stopping, status: "deliveries under way: 2")
        #expect(received(descriptor) == "STOPPING=1\nSTATUS=deliveries under way: 2")
        #expect(received(descriptor) == nil)
    }

    @Test func `a reload names the monotonic time, as Type=notify-reload demands`() throws {
        let address = "@\(ServiceManagerTests.address)"
        let descriptor = try listen(address)
        defer { close(descriptor) }
        var before = timespec()
        clock_gettime(CLOCK_MONOTONIC, &before)
        ServiceManager(address: address).tell(.reloading, status: "reading")
        let lines = try #require(received(descriptor)).split(separator: "\n")
        try #require(lines.count == 3)
        #expect(lines[0] == "RELOADING=1" && lines[2] == "STATUS=reading")
        let time = try #require(lines[1].hasPrefix("MONOTONIC_USEC=") ? UInt64(lines[1].dropFirst(15)) : nil)
        #expect(time >= UInt64(before.tv_sec) * 1_000_000)
    }

    @Test func `a status of two lines cannot smuggle in another assignment`() throws {
        let address = "@\(ServiceManagerTests.address)"
        let descriptor = try listen(address)
        defer { close(descriptor) }
        ServiceManager(address: address).tell(.ready, status: "one\nSTOPPING=1")
        #expect(received(descriptor) == "READY=1\nSTATUS=one STOPPING=1")
    }

    @Test(
        "nobody to tell: nothing happens",
        arguments: [nil, "", "relative", "/nowhere/notify", "/" + String(repeating: "x", count: 200)])
    func nobody(address: String?) {
        let before = openDescriptors
        ServiceManager(address: address).tell(.ready, status: "")
        #expect(openDescriptors == before)
    }

    /// The number that a new descriptor would get: unchanged where none was leaked. Other tests run beside this one, so
    /// only a socket of ours is counted: those of the datagram kind.
    private var openDescriptors: Int {
        (0..<1024).count { number in
            var kind: Int32 = 0
            var length = socklen_t(4)
            var name = sockaddr_un()
            var nameLength = socklen_t(MemoryLayout<sockaddr_un>.size)
            guard getsockopt(Int32(number), SOL_SOCKET, SO_TYPE, &kind, &length) == 0 else { return false }
            let status = withUnsafeMutablePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(Int32(number), $0, &nameLength) }
            }
            return kind == Int32(SOCK_DGRAM.rawValue) && status == 0 && name.sun_family == sa_family_t(AF_UNIX)
                && nameLength == 2
        }
    }
}
