import FoundationEssentials

/// Why an order can't be followed.
struct Refusal: Error, CustomStringConvertible {
  let description: String
}

/// What a task does, as the administration's JSON gives it for both APIs.
struct ScriptOrder: Decodable {
  /// pending, running, completed, failed or cancelled.
  var state: String?
  var completedEpisodes: Int?
  var totalEpisodes: Int?
  /// With it a running task goes on by itself and completes; without it, it stays where it is.
  var secondsPerEpisode: Double?
  var errorCode: String?
  var errorMessage: String?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case state
    case completedEpisodes = "completed_episodes"
    case totalEpisodes = "total_episodes"
    case secondsPerEpisode = "seconds_per_episode"
    case errorCode = "error_code"
    case errorMessage = "error_message"
  }

  /// nil when nothing was said of it.
  func script() throws -> TaskScript? {
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
}

/// A file of an archive, as the administration's JSON gives it.
struct FileOrder: Decodable {
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

  func file() throws -> SimulatedFile {
    let content: SimulatedFile.Content
    if let text {
      content = .bytes(Array(text.utf8))
    } else if let base64 {
      guard let data = Data(base64Encoded: base64) else { throw Refusal(description: "\(path): not base64") }
      content = .bytes(Array(data))
    } else {
      content = .generated(GeneratedContent(seed: seed ?? 1, size: size ?? 0, texture: texture ?? .noise))
    }
    return SimulatedFile(
      name: Array(path.utf8), content: content, method: isStored == true ? .stored : .deflated(level: 6))
  }
}

extension ZipStyle {
  /// The style of this name.
  static func order(_ name: String) throws -> ZipStyle {
    if let style = named.first(where: { $0.name == name })?.style { return style }
    throw Refusal(description: "style: \(name) is none of \(named.map(\.name).joined(separator: ", "))")
  }
}
