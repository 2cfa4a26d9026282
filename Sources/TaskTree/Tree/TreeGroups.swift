import FileSystem
import Tasks

// Above tasks: sources, workflows and jobs, listed by the API where it can list, and links by name beside them.

extension TaskTreeFileSystem {
  /// A name in a group: one that is known is there without asking anyone, any other asks the API once.
  func member(_ name: String, of source: SourceName, _ ids: [String], caller: Caller) async throws(FileSystemFailure)
    -> Child
  {
    if DesktopProbes.contains(name) || PathComponentRule.refusal(of: name) != nil { return .absent(Self.never) }
    guard let configured = engine.configured(source) else { return .absent(Self.never) }
    let depth = configured.source.taskDepth
    let group = TaskGroup(source: source, ids: ids)
    if configured.source.canList, name == NameLinks.directory { return .node(.nameDirectory(group)) }
    if ids.count + 1 < depth {
      let child = TaskGroup(source: source, ids: ids + [name])
      return try await engine.exists(child) ? .node(.group(source, child.ids)) : .absent(.zero)
    }
    guard let task = TaskPath(source: source, ids: ids + [name]), task.ids.count == depth else { return .absent(.zero) }
    if configured.source.canList { return try await engine.exists(task) ? .node(.task(task)) : .absent(.zero) }
    return try await added(task, caller: caller)
  }

  /// A task of a source that has no list of its own joins the list when its path is named.
  private func added(_ task: TaskPath, caller: Caller) async throws(FileSystemFailure) -> Child {
    if try await engine.isListed(task) { return .node(.task(task)) }
    if engine.crawlers.contains(Requester(caller)) { return .absent(.zero) }
    do throws(FileSystemFailure) {
      try await engine.add(task)
      return .node(.task(task))
    } catch {
      if error.kind == .notFound { return .absent(.zero) }
      throw error
    }
  }

  func groupListing(_ group: TaskGroup) async throws(FileSystemFailure) -> TreeListing {
    var listing = TreeListing()
    guard let configured = engine.configured(group.source) else { throw FileSystemFailure(.stale) }
    guard configured.source.canList else {
      for task in try await engine.tasks(in: group.source) {
        listing.items.append(try await item(task.id, .task(task)))
      }
      return listing
    }
    let members = try await engine.listing(of: group)
    for entry in members.entries {
      let ids = group.ids + [entry.id]
      if ids.count < configured.source.taskDepth {
        listing.items.append(try await item(entry.id, .group(group.source, ids)))
      } else if let task = TaskPath(source: group.source, ids: ids) {
        listing.items.append(try await item(entry.id, .task(task)))
      }
    }
    // An id of this name would be listed twice; it is reached by its own name elsewhere, if anybody ever has one.
    if members.entry(NameLinks.directory) == nil {
      listing.items.append(try await item(NameLinks.directory, .nameDirectory(group)))
    }
    return listing
  }

  // MARK: - by-name

  func nameListing(_ group: TaskGroup) async throws(FileSystemFailure) -> TreeListing {
    var listing = TreeListing()
    for link in try await engine.listing(of: group).links.links {
      listing.items.append(try await item(link.name, .nameLink(group, link.name)))
    }
    return listing
  }

  func link(_ name: String, in group: TaskGroup) async throws(FileSystemFailure) -> Child {
    if DesktopProbes.contains(name) { return .absent(Self.never) }
    return try await engine.listing(of: group).links.id(of: name) == nil
      ? .absent(.zero) : .node(.nameLink(group, name))
  }

  func linkAttributes(_ name: String, in group: TaskGroup) async throws(FileSystemFailure) -> NodeAttributes {
    let target = try await target(of: name, in: group)
    return NodeAttributes(
      kind: .symbolicLink, size: UInt64(target.utf8.count), modified: mounted, validity: Self.taskValidity)
  }

  func target(of name: String, in group: TaskGroup) async throws(FileSystemFailure) -> String {
    // A link that was listed keeps its meaning, also when the API can't be asked just now.
    let listing: GroupListing
    if let known = engine.groups.remembered(group), known.links.id(of: name) != nil {
      listing = known
    } else {
      listing = try await engine.listing(of: group)
    }
    guard let id = listing.links.id(of: name) else { throw FileSystemFailure(.stale) }
    return "../" + id
  }
}
