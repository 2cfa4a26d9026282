import FileSystem
import Foundation
import Tasks

/// A directory's content at one moment.
struct TreeListing {
  struct Item {
    let name: String
    let node: Node
    let kind: FileKind
    /// Where attributes are known without asking anyone.
    let attributes: NodeAttributes?
  }

  var items: [Item] = []
  var failure: FileSystemFailure?
  var isImmutable = false
}

extension TaskTreeFileSystem {
  func listing(of node: Node, requester: Requester) async throws(FileSystemFailure) -> TreeListing {
    switch node {
    case .root:
      var listing = TreeListing()
      listing.items = [try await item(Node.readmeName, .readme), try await item(Node.controlName, .controlDirectory)]
      for source in engine.sourceNames { listing.items.append(try await item(source.text, .group(source, []))) }
      return listing
    case .controlDirectory:
      let items = ControlFile.allCases.map {
        TreeListing.Item(name: $0.rawValue, node: .control($0), kind: .regular, attributes: nil)
      }
      return TreeListing(items: items)
    case .group(let source, let ids):
      return try await groupListing(TaskGroup(source: source, ids: ids))
    case .nameDirectory(let group):
      return try await nameListing(group)
    case .task(let task):
      return try await taskListing(task)
    case .resultDirectory(let task, let components, let edition):
      return try await resultListing(task, components, edition, requester: requester)
    case .readme, .control, .taskFile, .nameLink, .resultFile:
      throw FileSystemFailure(.notADirectory)
    }
  }

  func item(_ name: String, _ node: Node) async throws(FileSystemFailure) -> TreeListing.Item {
    let attributes = try await attributes(of: node)
    return TreeListing.Item(name: name, node: node, kind: attributes.kind, attributes: attributes)
  }

  /// Fails rather than leave out `results/` because the API can't be reached: a program that mirrors the directory would
  /// take that for a deletion.
  private func taskListing(_ task: TaskPath) async throws(FileSystemFailure) -> TreeListing {
    var listing = TreeListing()
    listing.items = TaskFile.allCases.map {
      TreeListing.Item(name: $0.rawValue, node: .taskFile(task, $0), kind: .regular, attributes: nil)
    }
    if try await hasResults(task) {
      listing.items.append(try await item(Node.resultsName, .resultDirectory(task, [], .only)))
    }
    return listing
  }

  private func resultListing(_ task: TaskPath, _ components: [String], _ edition: Edition, requester: Requester)
    async throws(FileSystemFailure) -> TreeListing
  {
    let stored = try await resultListing(of: task, requester: requester)
    // A directory of another version; the kernel looks its name up again.
    guard components.isEmpty || stored.edition == edition else { throw FileSystemFailure(.stale) }
    guard let children = stored.index.children(of: components) else { throw FileSystemFailure(.stale) }
    var listing = TreeListing(isImmutable: stored.breakage == nil)
    if let breakage = stored.breakage {
      listing.failure = try engine.decision(for: task, requester: requester).paidOnce(breakage)
      // A listing that has nothing to show fails at once.
      if let failure = listing.failure, children.isEmpty { throw failure }
    }
    for child in children {
      let path = components + [child.name]
      let node: Node =
        child.isDirectory ? .resultDirectory(task, path, stored.edition) : .resultFile(task, path, stored.edition)
      let attributes =
        child.isDirectory
        ? directoryAttributes(stored, path) : stored.index.file(path).map(fileAttributes)
      let kind: FileKind = child.isDirectory ? .directory : .regular
      listing.items.append(TreeListing.Item(name: child.name, node: node, kind: kind, attributes: attributes))
    }
    return listing
  }

  /// As the bridge wants it: `.` and `..` first, each item with the cookie that leads past it.
  func items(of listing: TreeListing, in directory: Node) -> [DirectoryItem] {
    var items: [DirectoryItem] = []
    items.reserveCapacity(listing.items.count + 2)
    func append(_ name: String, _ inode: InodeNumber, _ kind: FileKind, _ entry: Entry?) {
      items.append(
        DirectoryItem(name: name, inode: inode, kind: kind, cookie: UInt64(items.count + 1), entry: entry))
    }
    append(".", nodes.number(of: directory), .directory, nil)
    append("..", nodes.number(of: directory.parent), .directory, nil)
    for item in listing.items {
      if let attributes = item.attributes {
        let inode = nodes.offer(item.node)
        append(item.name, inode, item.kind, attributes.entry(inode))
      } else {
        append(item.name, nodes.number(of: item.node), item.kind, nil)
      }
    }
    return items
  }
}

extension Node {
  /// The directory that holds this node; the root for the root.
  var parent: Node {
    switch self {
    case .root, .readme, .controlDirectory: return .root
    case .control: return .controlDirectory
    case .group(let source, let ids): return ids.isEmpty ? .root : .group(source, Array(ids.dropLast()))
    case .nameDirectory(let group): return .group(group.source, group.ids)
    case .nameLink(let group, _): return .nameDirectory(group)
    case .task(let task): return .group(task.source, Array(task.ids.dropLast()))
    case .taskFile(let task, _): return .task(task)
    case .resultDirectory(let task, let components, let edition):
      return components.isEmpty ? .task(task) : .resultDirectory(task, Array(components.dropLast()), edition)
    case .resultFile(let task, let components, let edition):
      return .resultDirectory(task, Array(components.dropLast()), edition)
    }
  }
}
