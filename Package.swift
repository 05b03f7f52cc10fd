// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

// Who may import whom is the design's §9; scripts/check holds every source file to it.
let package = Package(
    name: "covey",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        .systemLibrary(name: "CMilter", pkgConfig: "milter", providers: [.apt(["libmilter-dev"])]),
        .target(name: "Milter", dependencies: ["CMilter"], swiftSettings: strict),
        .target(name: "MailWire", dependencies: [nioCore], swiftSettings: strict),
        .target(name: "CoveyCore", dependencies: [crypto, "TOMLKit"], swiftSettings: strict),
        .target(
            name: "MailNet", dependencies: ["MailWire", "CoveyCore", nioCore, nioPosix, nioHTTP1, nioSSL, logging],
            swiftSettings: strict),
        .target(name: "Replication", dependencies: ["CoveyCore", "MailWire", nioCore, logging], swiftSettings: strict),
        .executableTarget(
            name: "covey-milter",
            dependencies: ["Milter", "CoveyCore", "MailWire", "MailNet", "Replication", arguments, logging, nioPosix],
            swiftSettings: strict),
        .executableTarget(
            name: "covey-pop3d",
            dependencies: ["CoveyCore", "MailWire", "MailNet", "Replication", arguments, logging, nioCore, nioPosix],
            swiftSettings: strict),
        .executableTarget(
            name: "covey",
            dependencies: ["CoveyCore", "MailWire", "MailNet", "Replication", arguments, logging, nioCore, nioPosix],
            swiftSettings: strict),

        .target(
            name: "TestSupport",
            dependencies: ["CoveyCore", "MailWire", nioCore, nioPosix, nioSSL],
            path: "Tests/TestSupport", swiftSettings: strict),
        .testTarget(
            name: "CoveyCoreTests", dependencies: ["CoveyCore", "TestSupport"],
            exclude: ["BrokenConfigurations", "Identity/vectors.py", "Identity/vectors.json"], swiftSettings: strict),
        .testTarget(
            name: "MailWireTests", dependencies: ["MailWire", "TestSupport", nioCore, nioEmbedded],
            swiftSettings: strict),
        .testTarget(
            name: "MilterTests", dependencies: ["Milter", "TestSupport"], exclude: ["miltertest.lua"],
            swiftSettings: strict),
        .testTarget(
            name: "MailNetTests",
            dependencies: ["MailNet", "CoveyCore", "TestSupport", nioCore, nioPosix, nioEmbedded],
            swiftSettings: strict),
        .testTarget(
            name: "ReplicationTests",
            dependencies: ["Replication", "CoveyCore", "MailWire", "TestSupport", nioCore, logging],
            swiftSettings: strict),
        .testTarget(name: "Integration", dependencies: ["CoveyCore", "TestSupport"], swiftSettings: strict),
    ]
)
