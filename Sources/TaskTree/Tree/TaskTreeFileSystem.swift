import FileSystem
import Foundation
import Tasks

/// The tree that users see: which path is what. What has to be asked, paid or fetched for it is the engine's business.
public final class TaskTreeFileSystem: FileSystem {
  let engine: TaskEngine
  let nodes = NodeTable()
  let handles = HandleTable()
  /// The modification time of everything that has none of its own.
  let mounted = Timestamp(Date())

  public init(engine: TaskEngine) {
    self.engine = engine
  }

  /// Tells the kernel, from now on, when what it keeps of a task's results is of an older version.
  public func attach(_ kernel: any KernelCache) {
    engine.changes.listen { [weak self] task in
      guard let self else { return }
      for inode in nodes.inodes(of: task) { kernel.invalidate(inode) }
      guard let results = FileName(Node.resultsName) else { return }
      kernel.invalidate(results, in: nodes.number(of: .task(task)))
    }
  }

  // MARK: - inodes

  public func retain(_ inode: InodeNumber) {
    nodes.retain(inode)
  }

  public func forget(_ inode: InodeNumber, lookups: UInt64) {
    nodes.forget(inode, lookups: lookups)
  }

  public func statistics() -> FileSystemStatistics {
    let usage = engine.cache.usage()
    let free = engine.cache.limits.maxSize - usage.bytes
    return FileSystemStatistics(
      usedBytes: UInt64(usage.bytes.bytes), freeBytes: UInt64(free.bytes), fileCount: UInt64(usage.objects))
  }

  func node(_ inode: InodeNumber) throws(FileSystemFailure) -> Node {
    guard let node = nodes.node(inode) else { throw FileSystemFailure(.stale) }
    return node
  }

  // MARK: - names and attributes

  public func lookup(_ name: FileName, in parent: InodeNumber, for caller: Caller) async throws(FileSystemFailure)
    -> LookupResult
  {
    let directory = try node(parent)
    let path = directory.path.isEmpty ? name.text : directory.path + "/" + name.text
    return try await noting(path, directory) { () async throws(FileSystemFailure) in
      switch try await self.child(name.text, of: directory, caller: caller) {
      case .absent(let duration):
        return .absent(rememberFor: duration)
      case .node(let node):
        let known = try await self.attributes(of: node)
        let inode = self.nodes.remember(node)
        return .found(known.entry(inode))
      }
    }
  }

  public func attributes(of inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> KnownAttributes {
    let node = try node(inode)
    let known = try await attributes(of: node)
    return KnownAttributes(attributes: known.entry(inode).attributes, validity: known.validity.attributes)
  }

  public func symbolicLink(_ inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> String {
    guard case .nameLink(let group, let name) = try node(inode) else { throw FileSystemFailure(.invalidArgument) }
    return try await target(of: name, in: group)
  }

  // MARK: - files

  public func open(_ inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> OpenFile {
    let node = try node(inode)
    return try await noting(node.path, node) { () async throws(FileSystemFailure) in
      switch node {
      case .resultFile(let task, let components, let edition):
        return try await self.openResult(task, components, edition, for: Requester(caller))
      case .readme:
        return OpenFile(handle: self.handles.open(.snapshot(Array(Readme.text.utf8))), caching: .keep)
      case .control(let file):
        return OpenFile(handle: self.handles.open(.snapshot(try await self.content(of: file))), caching: .none)
      case .taskFile(let task, let file):
        let content = try await self.liveContent(of: file, task, requester: Requester(caller))
        return OpenFile(handle: self.handles.open(.snapshot(content)), caching: .none)
      case .root, .controlDirectory, .group, .nameDirectory, .task, .resultDirectory:
        throw FileSystemFailure(.isADirectory)
      case .nameLink:
        throw FileSystemFailure(.invalidArgument)
      }
    }
  }

  public func read(_ handle: HandleNumber, at offset: UInt64, count: Int, for caller: Caller)
    async throws(FileSystemFailure) -> ReadResult
  {
    guard let file = handles.file(handle) else { throw FileSystemFailure(.badHandle) }
    switch file {
    case .snapshot(let bytes):
      guard offset < UInt64(bytes.count) else { return .bytes([]) }
      return .bytes(Array(bytes[Int(offset)...].prefix(count)))
    case .stored(let descriptor, let size):
      let available = offset < size ? Int(min(UInt64(count), size - offset)) : 0
      countRead(available)
      return .range(of: descriptor, offset: offset, count: available)
    case .arriving(let file):
      let node = Node.resultFile(file.download.task, file.components, .only)
      let available = try await noting(node.path, node) { () async throws(FileSystemFailure) in
        try await self.available(file, offset, count)
      }
      countRead(available)
      return .range(of: file.descriptor, offset: offset, count: available)
    case .ranged(let handle):
      let file = handle.file
      let node = Node.resultFile(file.task, file.member.path, Edition(file.version))
      let available = try await noting(node.path, node) { () async throws(FileSystemFailure) in
        try await handle.available(at: offset, count: count)
      }
      countRead(available)
      return .range(of: handle.descriptor, offset: offset, count: available)
    }
  }

  public func release(_ handle: HandleNumber) {
    handles.closeFile(handle)
  }

  private func countRead(_ bytes: Int) {
    engine.metrics.count(.reads)
    engine.metrics.count(.bytesRead, by: bytes)
  }

  // MARK: - directories

  public func openDirectory(_ inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> OpenDirectory {
    let node = try node(inode)
    return try await noting(node.path, node) { () async throws(FileSystemFailure) in
      let listing = try await self.listing(of: node, requester: Requester(caller))
      let items = self.items(of: listing, in: node)
      let handle = self.handles.open(HandleTable.Directory(path: node.path, items: items, failure: listing.failure))
      return OpenDirectory(handle: handle, isImmutable: listing.isImmutable)
    }
  }

  public func readDirectory(_ handle: HandleNumber, after cookie: UInt64, limit: Int, for caller: Caller)
    async throws(FileSystemFailure) -> [DirectoryItem]
  {
    guard let directory = handles.directory(handle) else { throw FileSystemFailure(.badHandle) }
    let rest = directory.items.dropFirst(Int(clamping: cookie)).prefix(limit)
    if rest.isEmpty, let failure = directory.failure {
      engine.journal.note(failure, at: directory.path)
      throw failure
    }
    return Array(rest)
  }

  public func releaseDirectory(_ handle: HandleNumber) {
    guard let directory = handles.closeDirectory(handle) else { return }
    nodes.withdraw(directory.items.lazy.filter { $0.entry != nil }.map(\.inode))
  }

  /// Runs one operation and notes its failure where users look for reasons.
  private func noting<Value>(
    _ path: String, _ node: Node, _ body: () async throws(FileSystemFailure) -> Value
  ) async throws(FileSystemFailure) -> Value {
    do throws(FileSystemFailure) {
      return try await body()
    } catch {
      var others: [String] = []
      if let task = node.task { others = [task.description, task.description + "/" + Node.resultsName] }
      engine.journal.note(error, at: path, others: others)
      throw error
    }
  }
}
