import GRDB

/// The tables of the index.
///
/// A task's members belong to a generation: one download. What readers see is the task's published `generation`; a running
/// download fills `arriving`, which becomes the published one in a single transaction at its end.
enum IndexSchema {
  /// Kept in SQLite's user_version. A higher number in the file means that a newer version made it.
  static let version: Int64 = 2

  /// For new rows: SQLite by itself gives the number of a row that went to the next one, and who still holds on to what went
  /// would take the new one for it.
  static let newID = "random() & 0x3fffffffffffffff"

  /// Brings an index of an earlier version, or an empty one, to this one. Runs in one transaction.
  static func migrate(_ db: Database, from version: Int64) throws {
    if version < 1 { try createFirst(db) }
    if version < 2 {
      try addPackages(db)
      try addSums(db)
    }
    try db.execute(sql: "PRAGMA user_version = \(Self.version)")
  }

  private static func createFirst(_ db: Database) throws {
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
  }

  /// Version 2: packages that are read by ranges, members that are here in part, and eviction by use and price.
  private static func addPackages(_ db: Database) throws {
    try db.execute(
      sql: """
        ALTER TABLE task ADD COLUMN package_size INTEGER;           -- of the published listing; NULL: not of a package
        ALTER TABLE task ADD COLUMN package_validator TEXT;
        ALTER TABLE task ADD COLUMN arriving_size INTEGER;          -- the same of what arrives
        ALTER TABLE task ADD COLUMN arriving_validator TEXT;
        ALTER TABLE task ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE task ADD COLUMN uses INTEGER NOT NULL DEFAULT 1;
        ALTER TABLE task ADD COLUMN used_age REAL NOT NULL DEFAULT 0;  -- the clock of eviction at the last use
        ALTER TABLE member ADD COLUMN header_offset INTEGER;        -- NULL: no place of its own in a package
        ALTER TABLE member ADD COLUMN place_limit INTEGER;
        ALTER TABLE member ADD COLUMN compressed_size INTEGER;
        ALTER TABLE member ADD COLUMN method INTEGER;
        ALTER TABLE object ADD COLUMN single INTEGER NOT NULL DEFAULT 0;   -- 1: fetched, and so evicted, by itself
        ALTER TABLE object ADD COLUMN partial INTEGER NOT NULL DEFAULT 0;  -- 1: a map beside it says what is here;
                                                                           -- size is then what that uses or may use
        ALTER TABLE object ADD COLUMN claimants INTEGER NOT NULL DEFAULT 0;  -- processes that may use less than size
        ALTER TABLE object ADD COLUMN billed INTEGER NOT NULL DEFAULT 0;   -- of single ones, as all that follows
        ALTER TABLE object ADD COLUMN refetch INTEGER NOT NULL DEFAULT 0;  -- bytes to fetch to have it again
        ALTER TABLE object ADD COLUMN last_used INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE object ADD COLUMN uses INTEGER NOT NULL DEFAULT 1;
        ALTER TABLE object ADD COLUMN used_age REAL NOT NULL DEFAULT 0;
        CREATE INDEX object_single ON object (task) WHERE single;
        CREATE INDEX member_object ON member (object) WHERE object IS NOT NULL;
        CREATE INDEX task_arriving ON task (id) WHERE arriving IS NOT NULL;
        CREATE TABLE points (
          id INTEGER PRIMARY KEY,
          task INTEGER NOT NULL,
          path TEXT NOT NULL,
          name TEXT NOT NULL,
          size INTEGER NOT NULL DEFAULT 0,
          refetch INTEGER NOT NULL,
          last_used INTEGER NOT NULL,
          uses INTEGER NOT NULL DEFAULT 1,
          used_age REAL NOT NULL DEFAULT 0,
          UNIQUE (task, path)
        ) STRICT;
        """)
  }

  /// Version 2, too: sums that triggers keep, since asking how much there is must not take longer the more there is.
  private static func addSums(_ db: Database) throws {
    try db.execute(
      sql: """
        CREATE TABLE held (
          id INTEGER PRIMARY KEY CHECK (id = 1),
          bytes INTEGER NOT NULL,                    -- of all objects and seek points
          objects INTEGER NOT NULL,
          free_age REAL NOT NULL DEFAULT 0,
          billed_age REAL NOT NULL DEFAULT 0,
          boot TEXT                                  -- the last one in which the cache was put in order
        ) STRICT;
        INSERT INTO held (id, bytes, objects) SELECT 1, coalesce(sum(size), 0), count(*) FROM object;
        CREATE TRIGGER object_added AFTER INSERT ON object BEGIN
          UPDATE held SET bytes = bytes + new.size, objects = objects + 1;
        END;
        CREATE TRIGGER object_dropped AFTER DELETE ON object BEGIN
          UPDATE held SET bytes = bytes - old.size, objects = objects - 1;
        END;
        CREATE TRIGGER object_resized AFTER UPDATE OF size ON object WHEN old.size <> new.size BEGIN
          UPDATE held SET bytes = bytes + new.size - old.size;
        END;
        CREATE TRIGGER points_added AFTER INSERT ON points BEGIN
          UPDATE held SET bytes = bytes + new.size;
        END;
        CREATE TRIGGER points_dropped AFTER DELETE ON points BEGIN
          UPDATE held SET bytes = bytes - old.size;
        END;
        CREATE TRIGGER points_resized AFTER UPDATE OF size ON points WHEN old.size <> new.size BEGIN
          UPDATE held SET bytes = bytes + new.size - old.size;
        END;
        CREATE TRIGGER member_changed AFTER UPDATE OF state ON member WHEN old.state <> new.state BEGIN
          UPDATE task SET changes = changes + 1 WHERE id = new.task;
        END;
        -- A task that is forgotten and comes back must not look as if nothing had happened.
        CREATE TRIGGER task_added AFTER INSERT ON task BEGIN
          UPDATE task SET changes = random() & 0xffffffffffff WHERE id = new.id;
        END;
        """)
  }
}
