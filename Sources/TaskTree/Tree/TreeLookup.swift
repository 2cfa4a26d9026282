import FileSystem
import Tasks

/// What a name stands for, before its attributes are asked.
enum Child {
  case node(Node)
  case absent(Duration)
}

/// Attributes without the inode number, which the node table gives.
struct NodeAttributes {
  let kind: FileKind
  let size: UInt64
  let modified: Timestamp
  let validity: CacheValidity

  func entry(_ inode: InodeNumber) -> Entry {
    Entry(
      attributes: Attributes(
        inode: inode, kind: kind, size: size, modified: modified, linkCount: kind == .directory ? 2 : 1),
      validity: validity)
  }
}

extension TaskTreeFileSystem {
  /// For names that can't come to be while this mount lasts.
  static let never = Duration.seconds(3_600)
  /// For task directories: they do not change, but `tollfs forget` may take one off the list.
  static let taskValidity = CacheValidity(entry: .seconds(60), attributes: .seconds(60))
  /// For results that are still changing: long enough for the calls of one `ls -l`.
  private static let changing = CacheValidity(entry: .seconds(1), attributes: .seconds(1))

  func child(_ name: String, of directory: Node, caller: Caller) async throws(FileSystemFailure) -> Child {
    switch directory {
    case .root:
      if name == Node.readmeName { return .node(.readme) }
      if name == Node.controlName { return .node(.controlDirectory) }
      guard let source = SourceName(name), engine.configured(source) != nil else { return .absent(Self.never) }
      return .node(.group(source, []))
    case .controlDirectory:
      return ControlFile(rawValue: name).map { .node(.control($0)) } ?? .absent(Self.never)
    case .group(let source, let ids):
      return try await member(name, of: source, ids, caller: caller)
    case .nameDirectory(let group):
      return try await link(name, in: group)
    case .task(let task):
      if let file = TaskFile(rawValue: name) { return .node(.taskFile(task, file)) }
      guard name == Node.resultsName else { return .absent(Self.never) }
      // Never remembered: it comes to be when the task completes.
      return try await hasResults(task) ? .node(.resultDirectory(task, [], .only)) : .absent(.zero)
    case .resultDirectory(let task, let components, let edition):
      return try await result(name, in: components, edition, of: task, caller: caller)
    case .readme, .control, .taskFile, .nameLink, .resultFile:
      throw FileSystemFailure(.notADirectory)
    }
  }

  /// Whether `results/` is there: only once the task has completed.
  func hasResults(_ task: TaskPath) async throws(FileSystemFailure) -> Bool {
    if try await engine.stored(task) != nil || engine.desk.running(task) != nil { return true }
    let source = try engine.configured(for: task).source
    return try await engine.statuses.sufficient(task, from: source).status.state == .completed
  }

  private func result(
    _ name: String, in components: [String], _ edition: Edition, of task: TaskPath, caller: Caller
  ) async throws(FileSystemFailure) -> Child {
    let wanted = components + [name]
    guard let (found, current) = try await findResult(wanted, of: task, requester: Requester(caller)) else {
      return .absent(.zero)
    }
    guard components.isEmpty || edition == current else { throw FileSystemFailure(.stale) }
    switch found {
    case .file: return .node(.resultFile(task, wanted, current))
    case .directory: return .node(.resultDirectory(task, wanted, current))
    }
  }

  // MARK: - attributes

  func attributes(of node: Node) async throws(FileSystemFailure) -> NodeAttributes {
    switch node {
    case .root, .controlDirectory:
      return directory(mounted, .immutable)
    case .group(_, let ids):
      return directory(mounted, ids.isEmpty ? .immutable : Self.taskValidity)
    case .nameDirectory:
      return directory(mounted, Self.taskValidity)
    case .nameLink(let group, let name):
      return try await linkAttributes(name, in: group)
    case .task:
      return directory(mounted, Self.taskValidity)
    case .readme:
      return file(UInt64(Readme.text.utf8.count), mounted, .immutable)
    case .control(let control):
      return file(UInt64(try await content(of: control).count), Timestamp(.now), .none)
    case .taskFile(let task, let file):
      return try await attributes(of: file, task)
    case .resultDirectory(let task, let components, let edition):
      return try await directoryAttributes(task, components, edition)
    case .resultFile(let task, let components, let edition):
      return try await fileAttributes(task, components, edition)
    }
  }

  /// From what is known, without asking the API: the size of what was last shown.
  private func attributes(of taskFile: TaskFile, _ task: TaskPath) async throws(FileSystemFailure) -> NodeAttributes {
    let known = try await engine.statuses.remembered(task)
    let modified = known.map { Timestamp($0.changed) } ?? mounted
    let size: Int
    switch taskFile {
    case .status: size = known.map { StatusText.render($0, of: task).utf8.count } ?? 0
    case .statusJSON: size = known?.status.raw.count ?? 0
    case .cost: size = try await costText(task, requester: nil).count
    }
    return file(UInt64(size), modified, .none)
  }

  private func directoryAttributes(_ task: TaskPath, _ components: [String], _ edition: Edition)
    async throws(FileSystemFailure) -> NodeAttributes
  {
    if let stored = try await engine.stored(task), engine.desk.running(task) == nil || stored.listing.package != nil {
      guard components.isEmpty || stored.edition == edition else { throw FileSystemFailure(.stale) }
      return directoryAttributes(stored, components)
    }
    let changed = try await engine.statuses.remembered(task).map { Timestamp($0.changed) }
    return directory(changed ?? mounted, Self.changing)
  }

  private func fileAttributes(_ task: TaskPath, _ components: [String], _ edition: Edition)
    async throws(FileSystemFailure) -> NodeAttributes
  {
    let stored = try await engine.stored(task)
    var found = stored?.edition == edition ? stored?.index.file(components) : nil
    if found == nil, edition == .only { found = engine.desk.running(task)?.published(components) }
    guard let found else { throw FileSystemFailure(.stale) }
    return fileAttributes(found)
  }

  func directoryAttributes(_ stored: StoredResults, _ components: [String]) -> NodeAttributes {
    var modified = stored.modified
    if case .directory(_, let own?) = stored.index.find(components) { modified = own }
    return directory(modified, stored.breakage == nil ? .immutable : Self.changing)
  }

  func fileAttributes(_ found: ResultIndex.File) -> NodeAttributes {
    file(found.size, found.modified, found.failure == nil ? .immutable : Self.changing)
  }

  private func directory(_ modified: Timestamp, _ validity: CacheValidity) -> NodeAttributes {
    NodeAttributes(kind: .directory, size: 0, modified: modified, validity: validity)
  }

  private func file(_ size: UInt64, _ modified: Timestamp, _ validity: CacheValidity) -> NodeAttributes {
    NodeAttributes(kind: .regular, size: size, modified: modified, validity: validity)
  }
}
