// swift-tools-version: 6.2
import PackageDescription

// The test command and CI set TOLLFS_STRICT: a newer compiler's new warnings must not break the build of a user.
let settings: [SwiftSetting] = Context.environment["TOLLFS_STRICT"] == nil ? [] : [.treatAllWarnings(as: .error)]

func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let httpClient: [Target.Dependency] = [
  .product(name: "AsyncHTTPClient", package: "async-http-client"),
  .product(name: "NIOCore", package: "swift-nio"),
  .product(name: "NIOPosix", package: "swift-nio"),
  .product(name: "NIOHTTP1", package: "swift-nio"),
]
let httpServer: [Target.Dependency] = [
  .product(name: "HummingbirdCore", package: "hummingbird"),
  .product(name: "NIOCore", package: "swift-nio"),
  .product(name: "NIOPosix", package: "swift-nio"),
  .product(name: "HTTPTypes", package: "swift-http-types"),
]

let package = Package(
  name: "tollfs",
  products: [.executable(name: "tollfs", targets: ["tollfs"])],
  dependencies: [
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    .systemLibrary(name: "CFuse", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
    .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
    .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    room("FileSystem"),
    room("FuseBridge", ["CFuse", "FileSystem", logging]),
    room("Tasks"),
    room("Providers", ["Tasks", logging] + httpClient),
    room("Archives", ["Tasks", "CArchive", "CISAL"]),
    room("Budget", ["Tasks", grdb, logging]),
    room("ResultCache", ["Tasks", grdb, logging]),
    room("TaskTree", ["FileSystem", "Tasks", "Archives", "Budget", "ResultCache", grdb, logging]),
    // The simulator compresses with zlib: the archive reader (ISA-L) is tested against code that it does not share.
    room("APISimulator", ["CZlib", logging] + httpServer),
    .executableTarget(
      name: "tollfs",
      dependencies: [
        "FileSystem", "FuseBridge", "Tasks", "Providers", "Archives", "Budget", "ResultCache", "TaskTree",
        "APISimulator",
        logging,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Yams", package: "Yams"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings),

    .executableTarget(
      name: "ArchiveBenchmarks", dependencies: ["Archives"], path: "Tests/Benchmarks/ArchiveBenchmarks",
      swiftSettings: settings),
    .target(
      name: "EvictionTraces", dependencies: ["ResultCache", "Tasks", "TestSupport"],
      path: "Tests/Benchmarks/EvictionTraces", swiftSettings: settings),
    .executableTarget(
      name: "EvictionBenchmarks", dependencies: ["EvictionTraces"], path: "Tests/Benchmarks/EvictionBenchmarks",
      swiftSettings: settings),
    .executableTarget(
      name: "SparseBenchmarks", dependencies: ["Archives", "ResultCache", "Tasks", logging],
      path: "Tests/Benchmarks/SparseBenchmarks", swiftSettings: settings),
    .executableTarget(
      name: "EstimateBenchmarks", dependencies: ["APISimulator", "Budget", "Tasks", "TestSupport"],
      path: "Tests/Benchmarks/EstimateBenchmarks", swiftSettings: settings),
    // Buys things and is killed at its system calls: the tests of the ledger start it.
    .executableTarget(
      name: "LedgerHelper", dependencies: ["Budget", "Tasks", "TestSupport", logging], path: "Tests/LedgerHelper",
      swiftSettings: settings),
    .target(name: "TestSupport", path: "Tests/Support", swiftSettings: settings),
    tests("TasksTests", ["Tasks"]),
    tests("FileSystemTests", ["FileSystem"]),
    tests("FuseBridgeTests", ["FuseBridge", "FileSystem", "CFuse", "TestSupport", logging]),
    tests("ArchivesTests", ["Archives", "Tasks", "TestSupport"]),
    tests("BudgetTests", ["Budget", "LedgerHelper", "Tasks", "TestSupport", grdb, logging]),
    tests("ResultCacheTests", ["ResultCache", "Tasks", "EvictionTraces", "TestSupport", grdb, logging]),
    tests("ProvidersTests", ["Providers", "Tasks", "TestSupport", "APISimulator", logging] + httpClient),
    tests("APISimulatorTests", ["APISimulator", "TestSupport"]),
    tests(
      "TaskTreeTests",
      [
        "TaskTree", "FileSystem", "Tasks", "Providers", "Archives", "Budget", "ResultCache", "APISimulator",
        "TestSupport",
        logging,
      ]),
    tests(
      "tollfsTests",
      ["tollfs", "Tasks", "Archives", "Providers", "Budget", "TaskTree", "APISimulator", "TestSupport", logging]),
    tests("MountTests", ["APISimulator", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6]
)
