// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target of this package is held to.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

// The microkernels rely on unrolling and scheduling that -O2, SwiftPM's choice for C, leaves out.
let kernelFlags: [CSetting] = [
  .unsafeFlags(["-O3", "-Wall", "-Werror", "-ffp-contract=off"]),
  .define("NDEBUG", .when(configuration: .release)),
]

let package = Package(
  name: "adze",
  products: [.executable(name: "adze", targets: ["adze"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["YAML"]),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
  ],
  targets: [
    // Arrows point down only: a target may name those above it in this list, never those below.
    .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CLinux"),
    .target(name: "CKernels", exclude: ["README.md", "kernels.inc"], cSettings: kernelFlags),
    .target(name: "Tensors", dependencies: ["CZlib"], swiftSettings: strict),
    .target(
      name: "ONNXFormat",
      dependencies: ["Tensors", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
      exclude: ["Schema"], swiftSettings: strict),
    .target(name: "GraphIR", dependencies: ["Tensors", "ONNXFormat"], swiftSettings: strict),
    .target(name: "Engine", dependencies: ["Tensors", "GraphIR", "CKernels"], swiftSettings: strict),
    .target(name: "Compression", dependencies: ["Tensors", "GraphIR", "Engine"], swiftSettings: strict),
    .target(
      name: "HTTPTransport", dependencies: ["CNghttp2", "CZlib", "CLinux"], swiftSettings: strict),
    .target(
      name: "Serving",
      dependencies: [
        "Tensors", "ONNXFormat", "GraphIR", "Engine", "Compression", "HTTPTransport", "COpenSSL", "CLinux",
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: strict),
    .executableTarget(
      name: "adze",
      dependencies: [
        "Tensors", "ONNXFormat", "GraphIR", "Engine", "Compression", "HTTPTransport", "Serving",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "Yams", package: "Yams"),
      ], swiftSettings: strict),

    .testTarget(
      name: "TensorsTests", dependencies: ["Tensors"], exclude: ["Fixtures"], swiftSettings: strict),
    .target(
      name: "CKernelsChecks", dependencies: ["CKernels"], path: "Tests/CKernelsC", exclude: ["main.c"],
      cSettings: kernelFlags),
    .testTarget(
      name: "CKernelsTests", dependencies: ["CKernels", "CKernelsChecks"], swiftSettings: strict),
    .testTarget(name: "ONNXFormatTests", dependencies: ["ONNXFormat", "Tensors"], swiftSettings: strict),
    .testTarget(
      name: "GraphIRTests", dependencies: ["GraphIR", "ONNXFormat", "Tensors"], swiftSettings: strict),
    .testTarget(
      name: "EngineTests", dependencies: ["Engine", "GraphIR", "Tensors"], swiftSettings: strict),
    .testTarget(
      name: "CompressionTests", dependencies: ["Compression", "Engine", "GraphIR", "Tensors"],
      swiftSettings: strict),
    .testTarget(
      name: "HTTPTransportTests", dependencies: ["HTTPTransport", "CZlib"], swiftSettings: strict),
    .testTarget(
      name: "ServingTests",
      dependencies: ["Serving", "HTTPTransport", "Compression", "Engine", "GraphIR", "Tensors"],
      swiftSettings: strict),
  ]
)
