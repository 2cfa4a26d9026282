import Foundation
import TestSupport

/// Files to be packed, of the kinds that matter to packers.
enum SampleTree {
  static func make(_ root: String) throws {
    let files = FileManager.default
    try files.createDirectory(atPath: root + "/sub/deep", withIntermediateDirectories: true)
    try files.createDirectory(atPath: root + "/empty directory", withIntermediateDirectories: true)
    func write(_ name: String, _ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(filePath: root + "/" + name)) }
    var generator = SeededGenerator(seed: 7)
    try write("empty", [])
    try write("one", [65])
    try write("numbers.txt", Array((0..<9_000).map(String.init).joined(separator: "\n").utf8))
    try write("sub/noise", (0..<40_000).map { _ in UInt8.random(in: 0...255, using: &generator) })
    try write("sub/deep/集团.json", Array("{\"text\": \"集团\"}".utf8))
    try write("sub/zeros", [UInt8](repeating: 0, count: 400_000))
    try write(".hidden", Array("PK\u{3}\u{4}PK\u{5}\u{6}".utf8))
  }

  /// The regular files below a directory.
  static func files(_ root: String) throws -> [String: [UInt8]] {
    let paths = FileManager.default.enumerator(atPath: root)?.allObjects.compactMap { $0 as? String } ?? []
    return try paths.reduce(into: [:]) { found, path in
      let type = try FileManager.default.attributesOfItem(atPath: root + "/" + path)[.type] as? FileAttributeType
      if type == .typeRegular { found[path] = Array(try Data(contentsOf: URL(filePath: root + "/" + path))) }
    }
  }
}
