import Tasks

/// Turns what was written on the command line into tasks.
extension Assembly {
  /// - Throws: wrong usage, for what names no task.
  func task(_ text: String) throws(CommandFailure) -> TaskPath {
    do throws(UnreadableValue) {
      return try Self.reference(configuration).task(text)
    } catch {
      throw CommandFailure(error)
    }
  }

  func tasks(_ texts: [String]) throws(CommandFailure) -> [TaskPath] {
    var tasks: [TaskPath] = []
    for text in texts { tasks.append(try task(text)) }
    return tasks
  }

  /// Names in terms of this configuration, as seen from the working directory.
  static func reference(_ configuration: Configuration) -> TaskReference {
    let depths = configuration.sources.map { ($0.name, $0.kind.taskDepth) }
    return TaskReference(
      depths: Dictionary(depths, uniquingKeysWith: { first, _ in first }), walk: .current(),
      workingDirectory: Surroundings.current().workingDirectory)
  }
}

extension PathWalk {
  /// With the mounts of tollfs as they are now.
  static func current() -> PathWalk {
    PathWalk(mountpoints: Set(MountInfo.current().ownMountpoints), readLink: ProcFile.link)
  }
}

extension SourceConfiguration.Kind {
  /// How many ids lead to a task (INTERFACE: "The tree").
  var taskDepth: Int {
    switch self {
    case .screenplay: 1
    case .pixxel: 3
    }
  }
}
