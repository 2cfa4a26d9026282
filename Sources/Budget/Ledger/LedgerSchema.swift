import GRDB

/// The tables of `ledger.sqlite`.
///
/// `events` is the truth and is only added to; triggers keep it so. `purchases` and `approvals` follow from it and are written in
/// the same transactions, so that a cap is checked by a sum and not by a replay. Times are milliseconds since 1970, money is
/// micro-dollars.
enum LedgerSchema {
  static let firstVersion = "1: events, purchases, approvals"

  /// A migration that has been released never changes.
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration(firstVersion) { db in
      try db.execute(sql: events)
      try db.execute(sql: purchases)
      try db.execute(sql: approvals)
    }
    migrator.registerMigration("2: clocks, episodes, further reservations") { db in
      try db.execute(sql: additions)
    }
    return migrator
  }

  /// Columns are only added, with defaults: a mount of the version before that is running meanwhile can still write.
  private static let additions = """
    ALTER TABLE events ADD COLUMN clock INTEGER;
    ALTER TABLE events ADD COLUMN episodes INTEGER;
    ALTER TABLE events ADD COLUMN continues INTEGER;
    ALTER TABLE events ADD COLUMN whole INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE purchases ADD COLUMN episodes INTEGER;
    ALTER TABLE purchases ADD COLUMN continues INTEGER;
    ALTER TABLE purchases ADD COLUMN whole INTEGER NOT NULL DEFAULT 1;
    DROP INDEX purchases_by_source;
    CREATE INDEX purchases_by_source ON purchases (source, state, whole, id, bytes, episodes);
    CREATE INDEX purchases_by_open ON purchases (continues) WHERE continues IS NOT NULL;
    """

  private static let events = """
    CREATE TABLE events (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      time INTEGER NOT NULL,
      kind TEXT NOT NULL,
      purchase INTEGER,
      source TEXT NOT NULL,
      task TEXT NOT NULL,
      bytes INTEGER NOT NULL CHECK (bytes >= 0),
      micro_dollars INTEGER NOT NULL CHECK (micro_dollars >= 0),
      price INTEGER NOT NULL CHECK (price >= 0),
      basis TEXT,
      evidence TEXT,
      uid INTEGER NOT NULL,
      pid INTEGER NOT NULL,
      command TEXT NOT NULL,
      path TEXT NOT NULL,
      reason TEXT NOT NULL,
      owner_pid INTEGER,
      owner_start INTEGER,
      owner_boot TEXT,
      owner_namespace TEXT
    ) STRICT;
    CREATE INDEX events_by_purchase ON events (purchase);
    CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
      BEGIN SELECT RAISE(ABORT, 'the ledger''s events are only ever added to'); END;
    CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events
      BEGIN SELECT RAISE(ABORT, 'the ledger''s events are only ever added to'); END;
    """

  /// Each index holds all that the sums of a cap check need.
  private static let purchases = """
    CREATE TABLE purchases (
      id INTEGER PRIMARY KEY,
      time INTEGER NOT NULL,
      source TEXT NOT NULL,
      task TEXT NOT NULL,
      path TEXT NOT NULL,
      uid INTEGER NOT NULL,
      pid INTEGER NOT NULL,
      command TEXT NOT NULL,
      price INTEGER NOT NULL CHECK (price >= 0),
      expected_bytes INTEGER NOT NULL CHECK (expected_bytes >= 0),
      basis TEXT NOT NULL,
      evidence TEXT NOT NULL,
      reserved INTEGER NOT NULL CHECK (reserved >= 0),
      state TEXT NOT NULL CHECK (state IN ('reserved', 'settled', 'released', 'unsettled')),
      changed INTEGER NOT NULL,
      bytes INTEGER NOT NULL CHECK (bytes >= 0),
      charge INTEGER NOT NULL CHECK (charge >= 0),
      seen INTEGER NOT NULL CHECK (seen >= 0),
      reason TEXT NOT NULL,
      approval INTEGER,
      owner_pid INTEGER NOT NULL,
      owner_start INTEGER NOT NULL,
      owner_boot TEXT NOT NULL,
      owner_namespace TEXT NOT NULL
    ) STRICT;
    CREATE INDEX purchases_by_time ON purchases (time, state, charge);
    CREATE INDEX purchases_by_task ON purchases (task, state, bytes, charge, seen, time);
    CREATE INDEX purchases_by_source ON purchases (source, state, id, bytes);
    CREATE INDEX purchases_open ON purchases (id) WHERE state = 'reserved';
    """

  private static let approvals = """
    CREATE TABLE approvals (
      task TEXT PRIMARY KEY,
      micro_dollars INTEGER NOT NULL CHECK (micro_dollars >= 0)
    ) STRICT;
    """
}
