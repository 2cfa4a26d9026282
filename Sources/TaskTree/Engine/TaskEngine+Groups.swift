import FileSystem
import Tasks

// Sources whose API lists what it has.

extension TaskEngine {
  /// What is below a group of a source that can list.
  /// - Throws: `.notFound` when the API says that there is no such group.
  func listing(of group: TaskGroup) async throws(FileSystemFailure) -> GroupListing {
    guard let configured = configured(group.source) else {
      throw FileSystemFailure(.notFound, "there is no source \(group.source) in the configuration")
    }
    return try await groups.listing(of: group, from: configured.source)
  }

  /// Whether a group is there: by a listing that is still believed, else by asking for what is in it, which whoever names it
  /// wants next; where the API can't be asked, by what is known from earlier.
  func exists(_ group: TaskGroup) async throws(FileSystemFailure) -> Bool {
    if group.ids.isEmpty { return true }
    if let parent = group.parent, let id = group.ids.last, let listing = groups.fresh(parent) {
      if listing.entry(id) != nil { return true }
    }
    do throws(FileSystemFailure) {
      _ = try await listing(of: group)
      return true
    } catch {
      if error.kind == .notFound { return false }
      if error.kind != .interrupted, try await registry.knowsAnything(below: group) { return true }
      throw error
    }
  }

  /// Whether a task of a source that can list is there.
  func exists(_ task: TaskPath) async throws(FileSystemFailure) -> Bool {
    let job = TaskGroup(source: task.source, ids: Array(task.ids.dropLast()))
    do throws(FileSystemFailure) {
      return try await listing(of: job).entry(task.id) != nil
    } catch {
      if error.kind == .notFound { return false }
      if error.kind != .interrupted, try await statuses.remembered(task) != nil { return true }
      throw error
    }
  }

  /// The name that people gave to a workflow, a job or a task, as far as a listing told it; asks nobody.
  func name(of ids: [String], in source: SourceName) -> String? {
    guard let id = ids.last else { return nil }
    let parent = TaskGroup(source: source, ids: Array(ids.dropLast()))
    return groups.remembered(parent)?.entry(id)?.name
  }

  /// All tasks of a source that can list, found by walking through its groups.
  func walk(_ group: TaskGroup, depth: Int) async throws(FileSystemFailure) -> [TaskPath] {
    var tasks: [TaskPath] = []
    for entry in try await listing(of: group).entries {
      let ids = group.ids + [entry.id]
      if ids.count < depth {
        tasks += try await walk(TaskGroup(source: group.source, ids: ids), depth: depth)
      } else if let task = TaskPath(source: group.source, ids: ids) {
        tasks.append(task)
      }
    }
    return tasks
  }
}
