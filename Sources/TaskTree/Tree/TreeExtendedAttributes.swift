import FileSystem
import Tasks

/// The extended attributes that tell about a task and its files.
enum TreeAttribute: String, CaseIterable {
  case status = "user.tollfs.status"
  case cost = "user.tollfs.cost"
  case cached = "user.tollfs.cached"
  case error = "user.tollfs.error"
  case source = "user.tollfs.source"
  case name = "user.tollfs.name"
  case crc32 = "user.tollfs.crc32"
}

extension TaskTreeFileSystem {
  public func extendedAttributeNames(of inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure)
    -> [String]
  {
    let node = try node(inode)
    var names: [String] = []
    for attribute in TreeAttribute.allCases where try await value(of: attribute, node) != nil {
      names.append(attribute.rawValue)
    }
    return names
  }

  public func extendedAttribute(_ name: String, of inode: InodeNumber, for caller: Caller)
    async throws(FileSystemFailure) -> [UInt8]
  {
    let node = try node(inode)
    guard let attribute = TreeAttribute(rawValue: name), let value = try await value(of: attribute, node) else {
      throw FileSystemFailure(.noAttribute)
    }
    return Array(value.utf8)
  }

  /// All of them are answered from memory and the local disk: none asks the API.
  private func value(of attribute: TreeAttribute, _ node: Node) async throws(FileSystemFailure) -> String? {
    if attribute == .error { return engine.journal.latest(at: node.path)?.reason.oneLine }
    if case .group(let source, let ids) = node { return groupValue(of: attribute, source, ids) }
    guard let task = node.task else { return nil }
    switch node {
    case .task, .resultDirectory, .resultFile: break
    case .root, .readme, .controlDirectory, .control, .group, .nameDirectory, .nameLink, .taskFile: return nil
    }
    switch attribute {
    case .error: return nil
    case .source: return task.source.text
    case .name: return try await name(node, task)
    case .status: return try await engine.statuses.remembered(task)?.status.state.word
    case .cached: return String(try await cachedPercent(node, task))
    case .cost: return try await cost(node, task)
    case .crc32: return try await checksum(node, task)
    }
  }

  private func groupValue(of attribute: TreeAttribute, _ source: SourceName, _ ids: [String]) -> String? {
    switch attribute {
    case .source: source.text
    case .name: engine.name(of: ids, in: source)?.oneLine
    case .status, .cost, .cached, .error, .crc32: nil
    }
  }

  /// What people call the task.
  private func name(_ node: Node, _ task: TaskPath) async throws(FileSystemFailure) -> String? {
    guard case .task = node else { return nil }
    if let name = engine.name(of: task.ids, in: task.source) { return name.oneLine }
    return try await engine.statuses.remembered(task)?.status.name?.oneLine
  }

  private func storedFile(_ node: Node, _ task: TaskPath) async throws(FileSystemFailure) -> (
    stored: StoredResults, file: ResultIndex.File
  )? {
    guard case .resultFile(_, let components, _) = node, let stored = try await engine.stored(task),
      let file = stored.index.file(components)
    else { return nil }
    return (stored, file)
  }

  private func cachedPercent(_ node: Node, _ task: TaskPath) async throws(FileSystemFailure) -> Int64 {
    if case .resultFile = node {
      guard let (stored, file) = try await storedFile(node, task) else { return 0 }
      return stored.member(file)?.state == .stored ? 100 : 0
    }
    guard let stored = try await engine.stored(task) else { return 0 }
    if stored.stock == .everything { return 100 }
    let total = stored.listing.totalSize.bytes
    // Never 100 while something is missing.
    return total > 0 ? min(99, Int64(Double(stored.storedBytes.bytes) / Double(total) * 100)) : 0
  }

  private func cost(_ node: Node, _ task: TaskPath) async throws(FileSystemFailure) -> String {
    if let (stored, file) = try await storedFile(node, task), stored.member(file)?.state == .stored {
      return Dollars.zero.description
    }
    let nobody = Requester(userID: 0, processID: 0, command: "")
    return try await engine.cost(of: task, requester: nobody).cost.description
  }

  private func checksum(_ node: Node, _ task: TaskPath) async throws(FileSystemFailure) -> String? {
    guard case .resultFile(_, let components, _) = node else { return nil }
    var file = try await engine.stored(task)?.index.file(components)
    if file == nil { file = engine.desk.running(task)?.published(components) }
    guard let crc32 = file?.crc32 else { return nil }
    let digits = String(crc32, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
