import FileSystem
import Foundation
import GRDB
import Glibc
import Tasks

/// Which tasks the user added, and the last known status of each, kept across remounts in the state directory.
///
/// Several processes may use one registry at once (a mount, and `tollfs add` beside it): every question is put to the file.
public final class TaskRegistry: Sendable {
  private let database: DatabasePool

  /// Opens, or creates, `tasks.sqlite` in `stateDirectory` (mode 0700).
  /// - Throws: `.inputOutput` with the file's name and SQLite's reason.
  public init(stateDirectory: String) async throws(FileSystemFailure) {
    let path = stateDirectory + "/tasks.sqlite"
    do {
      try FileManager.default.createDirectory(
        atPath: stateDirectory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      // SQLite gives its other files the mode of this one.
      let created = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
      if created >= 0 { close(created) }
      var configuration = Configuration()
      // Two commands that write at the same moment take turns; nothing here takes longer than some milliseconds.
      configuration.busyMode = .timeout(5)
      configuration.maximumReaderCount = 2
      database = try DatabasePool(path: path, configuration: configuration)
      try Self.migrate(database)
    } catch {
      throw Self.failure(error, path: path)
    }
  }

  private static func migrate(_ database: DatabasePool) throws {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1: tasks") { database in
      try database.execute(
        sql: """
          CREATE TABLE tasks (
            task TEXT PRIMARY KEY NOT NULL,
            source TEXT NOT NULL,
            listed INTEGER NOT NULL DEFAULT 0,
            first_seen REAL NOT NULL,
            state TEXT,
            completed_episodes INTEGER, total_episodes INTEGER, percent REAL,
            error_code TEXT, error_message TEXT, name TEXT,
            raw BLOB,
            changed REAL, asked REAL
          ) WITHOUT ROWID;
          CREATE INDEX tasks_by_source ON tasks(source, listed);
          """)
    }
    migrator.registerMigration("2: episodes") { database in
      try database.execute(
        sql: """
          ALTER TABLE tasks ADD COLUMN known_episodes INTEGER;
          UPDATE tasks SET known_episodes = total_episodes;
          """)
    }
    try migrator.migrate(database)
  }

  /// The tasks that were added to a source, in the order of their names.
  public func listed(in source: SourceName) async throws(FileSystemFailure) -> [TaskPath] {
    try await read { database in
      try String.fetchAll(
        database, sql: "SELECT task FROM tasks WHERE source = ? AND listed = 1 ORDER BY task", arguments: [source.text])
    }.compactMap { TaskPath(parsing: $0) }
  }

  /// Puts a task on the list. Returns false when it is there already.
  @discardableResult
  public func add(_ task: TaskPath) async throws(FileSystemFailure) -> Bool {
    try await write { database in
      try Self.ensureRow(task, in: database)
      try database.execute(
        sql: "UPDATE tasks SET listed = 1 WHERE task = ? AND listed = 0", arguments: [task.description])
      return database.changesCount > 0
    }
  }

  /// Takes a task off the list, and nothing else. Returns false when it was not on it.
  public func forget(_ task: TaskPath) async throws(FileSystemFailure) -> Bool {
    try await write { database in
      try database.execute(
        sql: "UPDATE tasks SET listed = 0 WHERE task = ? AND listed = 1", arguments: [task.description])
      return database.changesCount > 0
    }
  }

  /// The last status that was recorded.
  func known(_ task: TaskPath) async throws(FileSystemFailure) -> KnownStatus? {
    try await read { database in
      try Row.fetchOne(
        database, sql: "SELECT * FROM tasks WHERE task = ? AND state IS NOT NULL", arguments: [task.description]
      ).map(Self.status(from:))
    }
  }

  /// Keeps a status for the next mount.
  func record(_ known: KnownStatus, of task: TaskPath) async throws(FileSystemFailure) {
    try await record([(task, known)])
  }

  /// Keeps many statuses, in one transaction.
  func record(_ statuses: [(task: TaskPath, known: KnownStatus)]) async throws(FileSystemFailure) {
    try await write { database in
      for (task, known) in statuses { try Self.record(known, of: task, in: database) }
    }
  }

  private static func record(_ known: KnownStatus, of task: TaskPath, in database: Database) throws {
    let status = known.status
    var episodes: (completed: Int, total: Int)?
    var percent: Double?
    switch status.progress {
    case .episodes(let completed, let total): episodes = (completed, total)
    case .percent(let value): percent = value
    case nil: break
    }
    try ensureRow(task, in: database)
    // The number of episodes is only told while a task runs; the size of its results is estimated from it afterwards.
    try database.execute(
      sql: """
        UPDATE tasks SET state = ?, completed_episodes = ?, total_episodes = ?, percent = ?, error_code = ?,
          error_message = ?, name = ?, raw = ?, changed = ?, asked = ?,
          known_episodes = coalesce(?, known_episodes) WHERE task = ?
        """,
      arguments: [
        status.state.word, episodes?.completed, episodes?.total, percent, status.errorCode, status.errorMessage,
        status.name, Data(status.raw), known.changed.timeIntervalSince1970, known.asked.timeIntervalSince1970,
        episodes?.total, task.description,
      ])
  }

  /// How many episodes a task has, as far as the API ever told.
  func episodes(of task: TaskPath) async throws(FileSystemFailure) -> Int? {
    try await read { database in
      try Int.fetchOne(
        database, sql: "SELECT known_episodes FROM tasks WHERE task = ?", arguments: [task.description])
    }
  }

  /// Whether anything was ever recorded of a task in a group: then the group exists, also while the API can't be asked.
  func knowsAnything(below group: TaskGroup) async throws(FileSystemFailure) -> Bool {
    // `0` is the character after `/`.
    let prefix = group.description
    return try await read { database in
      try Bool.fetchOne(
        database, sql: "SELECT EXISTS (SELECT * FROM tasks WHERE task >= ? AND task < ? AND state IS NOT NULL)",
        arguments: [prefix + "/", prefix + "0"]) ?? false
    }
  }

  private static func ensureRow(_ task: TaskPath, in database: Database) throws {
    try database.execute(
      sql: "INSERT OR IGNORE INTO tasks (task, source, first_seen) VALUES (?, ?, ?)",
      arguments: [task.description, task.source.text, Date().timeIntervalSince1970])
  }

  private static func status(from row: Row) -> KnownStatus {
    var progress: TaskProgress?
    if let completed: Int = row["completed_episodes"], let total: Int = row["total_episodes"] {
      progress = .episodes(completed: completed, total: total)
    } else if let percent: Double = row["percent"] {
      progress = .percent(percent)
    }
    let raw: Data = row["raw"] ?? Data()
    let status = TaskStatus(
      state: TaskState(word: row["state"] ?? ""), progress: progress, errorCode: row["error_code"],
      errorMessage: row["error_message"], name: row["name"], raw: Array(raw))
    return KnownStatus(
      status: status, changed: Date(timeIntervalSince1970: row["changed"] ?? 0),
      asked: Date(timeIntervalSince1970: row["asked"] ?? 0), staleReason: nil)
  }

  private func read<Value: Sendable>(
    _ body: @Sendable @escaping (Database) throws -> Value
  ) async throws(FileSystemFailure) -> Value {
    do {
      return try await database.read(body)
    } catch {
      throw Self.failure(error, path: database.path)
    }
  }

  private func write<Value: Sendable>(
    _ body: @Sendable @escaping (Database) throws -> Value
  ) async throws(FileSystemFailure) -> Value {
    do {
      return try await database.write(body)
    } catch {
      throw Self.failure(error, path: database.path)
    }
  }

  private static func failure(_ error: any Error, path: String) -> FileSystemFailure {
    if error is CancellationError { return FileSystemFailure(.interrupted) }
    return FileSystemFailure(.inputOutput, "the task list \(path) can't be used: \(error)")
  }
}
