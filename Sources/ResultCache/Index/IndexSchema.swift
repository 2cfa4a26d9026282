import GRDB

/// The tables of the index.
///
/// A task's members belong to a generation: one download. What readers see is the task's published `generation`; a running
/// download fills `arriving`, which becomes the published one in a single transaction at its end.
enum IndexSchema {
  /// Kept in SQLite's user_version. A higher number in the file means that a newer version made it.
  static let version: Int64 = 1

  static func create(_ db: Database) throws {
    try db.execute(
      sql: """
        CREATE TABLE task (
          id INTEGER PRIMARY KEY,
          path TEXT NOT NULL UNIQUE,
          folder TEXT NOT NULL UNIQUE,
          billed INTEGER NOT NULL,
          pinned INTEGER NOT NULL DEFAULT 0,
          last_used INTEGER NOT NULL,              -- ms since 1970
          generation INTEGER NOT NULL DEFAULT 0,
          state TEXT CHECK (state IN ('complete', 'broken')),  -- NULL: nothing published
          reason TEXT,
          word TEXT,
          downloaded_at INTEGER,                   -- ms since 1970
          arriving INTEGER,                        -- generation of the running (or crashed) download
          promised INTEGER NOT NULL DEFAULT 0,     -- bytes that the running download is expected to bring
          granted INTEGER NOT NULL DEFAULT 0,      -- bytes that it may have written by now
          unswept INTEGER NOT NULL DEFAULT 0       -- its folder may hold files that are not in the index
        ) STRICT;
        CREATE TABLE member (
          task INTEGER NOT NULL,
          generation INTEGER NOT NULL,
          ordinal INTEGER NOT NULL,
          path TEXT NOT NULL,                      -- components joined by slashes
          size INTEGER NOT NULL,
          modified_seconds INTEGER NOT NULL,
          modified_nanoseconds INTEGER NOT NULL,
          crc32 INTEGER,
          state TEXT NOT NULL CHECK (state IN ('stored', 'evicted', 'failed', 'damaged')),
          reason TEXT,
          word TEXT,
          object INTEGER,
          PRIMARY KEY (task, generation, ordinal)
        ) STRICT, WITHOUT ROWID;
        CREATE UNIQUE INDEX member_by_path ON member (task, generation, path);
        CREATE TABLE directory (
          task INTEGER NOT NULL,
          generation INTEGER NOT NULL,
          path TEXT NOT NULL,
          modified_seconds INTEGER NOT NULL,
          modified_nanoseconds INTEGER NOT NULL,
          PRIMARY KEY (task, generation, path)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE object (
          id INTEGER PRIMARY KEY,
          task INTEGER NOT NULL,
          generation INTEGER NOT NULL,
          name TEXT NOT NULL,                      -- file name in the task's folder
          size INTEGER NOT NULL,
          durable INTEGER NOT NULL,                -- 1: on the disk, and the stamp holds
          session INTEGER NOT NULL,                -- who wrote it
          inode INTEGER,
          stamped_size INTEGER,
          changed INTEGER,                         -- ctime, ns since 1970
          chunk_size INTEGER NOT NULL,
          checksums BLOB NOT NULL,
          UNIQUE (task, name)
        ) STRICT;
        CREATE INDEX object_by_task ON object (task, generation, size);
        """)
    try db.execute(sql: "PRAGMA user_version = \(version)")
  }
}
