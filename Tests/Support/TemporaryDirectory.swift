import Foundation

/// A fresh directory below the system's temporary one, removed with everything in it when its owner lets go of it.
public final class TemporaryDirectory: Sendable {
  public let path: String

  public init(_ label: String = "test") throws {
    let parent = FileManager.default.temporaryDirectory.path
    path = parent + "/tollfs-\(label)-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// The path of something inside.
  public func file(_ name: String) -> String { path + "/" + name }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }
}
