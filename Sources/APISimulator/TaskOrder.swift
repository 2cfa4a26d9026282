import FoundationEssentials

/// A task as the administration's JSON gives it. What isn't given stays as it was.
struct TaskOrder: Decodable {
  struct File: Decodable {
    var path: String
    /// One of the three gives the content.
    var text: String?
    var base64: String?
    /// Bytes, generated from `seed`.
    var size: Int64?
    var seed: UInt64?
    var texture: GeneratedContent.Texture?
    var isStored: Bool?

    enum CodingKeys: String, CodingKey {
      case path, text, base64, size, seed, texture
      case isStored = "stored"
    }
  }

  struct Refusal: Error, CustomStringConvertible {
    let description: String
  }

  /// pending, running, completed, failed or cancelled.
  var state: String?
  var completedEpisodes: Int?
  var totalEpisodes: Int?
  /// With it a running task goes on by itself and completes; without it, it stays where it is.
  var secondsPerEpisode: Double?
  var errorCode: String?
  var errorMessage: String?
  var files: [File]?
  /// The name of one of ``ZipStyle/named``.
  var style: String?
  /// A zip on this machine instead of `files`, and what is billed for it.
  var archiveFile: String?
  var originalBytes: Int64?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case state
    case completedEpisodes = "completed_episodes"
    case totalEpisodes = "total_episodes"
    case secondsPerEpisode = "seconds_per_episode"
    case errorCode = "error_code"
    case errorMessage = "error_message"
    case files, style
    case archiveFile = "archive_file"
    case originalBytes = "original_bytes"
  }

  func apply(to id: String, _ state: SimulatorState) throws {
    let script = try script()
    let result = try result()
    let now = SimulatorState.monotonic()
    state.with { model in
      var task = model.task(id) ?? SimulatedTask(id: id, state: .pending)
      if let script { task.script = script }
      if let result { task.result = result }
      // A new result alone must not start a running script again.
      model.put(task, now: now, restart: script != nil)
    }
  }

  private func script() throws -> TaskScript? {
    let (done, total) = (completedEpisodes ?? 0, totalEpisodes ?? 1)
    switch state {
    case nil: return nil
    case "pending": return .fixed(.pending)
    case "running":
      if let pace = secondsPerEpisode {
        return .progressing(fromEpisode: done, totalEpisodes: total, secondsPerEpisode: pace)
      }
      return .fixed(.running(completedEpisodes: done, totalEpisodes: total))
    case "completed": return .fixed(.completed)
    case "failed": return .fixed(.failed(code: errorCode ?? "", message: errorMessage ?? ""))
    case "cancelled": return .fixed(.cancelled)
    case let word?:
      throw Refusal(description: "state: \(word) is none of pending, running, completed, failed, cancelled")
    }
  }

  private func result() throws -> TaskResult? {
    if let archiveFile { return .archiveFile(path: archiveFile, originalBytes: originalBytes ?? 0) }
    guard let files else { return nil }
    let name = style ?? "streamed"
    guard let style = ZipStyle.named.first(where: { $0.name == name })?.style else {
      throw Refusal(description: "style: \(name) is none of \(ZipStyle.named.map(\.name).joined(separator: ", "))")
    }
    return .files(try files.map(Self.file), style: style)
  }

  private static func file(_ order: File) throws -> SimulatedFile {
    let content: SimulatedFile.Content
    if let text = order.text {
      content = .bytes(Array(text.utf8))
    } else if let base64 = order.base64 {
      guard let data = Data(base64Encoded: base64) else { throw Refusal(description: "\(order.path): not base64") }
      content = .bytes(Array(data))
    } else {
      content = .generated(
        GeneratedContent(seed: order.seed ?? 1, size: order.size ?? 0, texture: order.texture ?? .noise))
    }
    return SimulatedFile(
      name: Array(order.path.utf8), content: content, method: order.isStored == true ? .stored : .deflated(level: 6))
  }
}
