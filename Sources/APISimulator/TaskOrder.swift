/// A task of the screenplay API as the administration's JSON gives it. What isn't given stays as it was.
struct TaskOrder: Decodable {
  var script: ScriptOrder
  var files: [FileOrder]?
  /// The name of one of ``ZipStyle/named``.
  var style: String?
  /// A zip on this machine instead of `files`, and what is billed for it.
  var archiveFile: String?
  var originalBytes: Int64?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case files, style
    case archiveFile = "archive_file"
    case originalBytes = "original_bytes"
  }

  init(from decoder: any Decoder) throws {
    script = try ScriptOrder(from: decoder)
    let container = try decoder.container(keyedBy: CodingKeys.self)
    files = try container.decodeIfPresent([FileOrder].self, forKey: .files)
    style = try container.decodeIfPresent(String.self, forKey: .style)
    archiveFile = try container.decodeIfPresent(String.self, forKey: .archiveFile)
    originalBytes = try container.decodeIfPresent(Int64.self, forKey: .originalBytes)
  }

  func apply(to id: String, _ state: SimulatorState) throws {
    let script = try script.script()
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

  private func result() throws -> TaskResult? {
    if let archiveFile { return .archiveFile(path: archiveFile, originalBytes: originalBytes ?? 0) }
    guard let files else { return nil }
    return .files(try files.map { try $0.file() }, style: try ZipStyle.order(style ?? "streamed"))
  }
}
