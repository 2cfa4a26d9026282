/// The name of a configured source, which is also its directory in the mount.
public struct SourceName: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let text: String

  /// Returns nil for a name that can't be one directory of the mount. See ``PathComponentRule``.
  public init?(_ text: String) {
    guard PathComponentRule.refusal(of: text) == nil else { return nil }
    self.text = text
  }

  public var description: String { text }

  public static func < (left: SourceName, right: SourceName) -> Bool { left.text < right.text }
}

/// What may stand between two slashes of a task's path.
///
/// Task ids are opaque (APIS.md: one example, `ros-sd-20260313-a3f8c2b1`), so the only rule is that each must be one
/// harmless directory name.
public enum PathComponentRule {
  /// Why `component` can't be used, in words for the user, or nil when it can.
  public static func refusal(of component: String) -> String? {
    if component.isEmpty { return "is empty" }
    if component.utf8.count > 255 { return "is longer than 255 bytes" }
    if component.utf8.first == UInt8(ascii: ".") { return "starts with a dot" }
    for byte in component.utf8 {
      if byte == UInt8(ascii: "/") { return "contains a slash" }
      if byte < 0x20 || byte == 0x7f { return "contains a control character" }
    }
    return nil
  }
}

/// Which task is meant: a source and the ids that lead to the task inside it.
///
/// `screenplay/ID` has one id, `pixxel/WORKFLOW/JOB/TASK` has three.
public struct TaskPath: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let source: SourceName
  /// At least one id; every one satisfies ``PathComponentRule``.
  public let ids: [String]

  /// Returns nil when there is no id, or one that can't be a directory name.
  public init?(source: SourceName, ids: [String]) {
    guard !ids.isEmpty, ids.allSatisfy({ PathComponentRule.refusal(of: $0) == nil }) else { return nil }
    self.source = source
    self.ids = ids
  }

  /// Reads `source/id[/id...]`, with or without slashes around it.
  public init?(parsing text: String) {
    let parts = text.split(separator: "/").map(String.init)
    guard let first = parts.first, let source = SourceName(first) else { return nil }
    self.init(source: source, ids: Array(parts.dropFirst()))
  }

  /// The id of the task itself, the last of ``ids``.
  public var id: String { ids[ids.count - 1] }

  /// `source/id[/id...]`: how the task is written in commands, in the ledger and in the cache's index.
  public var description: String { source.text + "/" + ids.joined(separator: "/") }

  public static func < (left: TaskPath, right: TaskPath) -> Bool { left.description < right.description }
}
