import Foundation
import GRDB
import Tasks
import TestSupport
import Testing

@testable import ResultCache

/// An index as the first version made it. Never to be changed: it is what users have.
private let firstSchema = """
  CREATE TABLE task (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    folder TEXT NOT NULL UNIQUE,
    billed INTEGER NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    last_used INTEGER NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    state TEXT CHECK (state IN ('complete', 'broken')),
    reason TEXT,
    word TEXT,
    downloaded_at INTEGER,
    arriving INTEGER,
    promised INTEGER NOT NULL DEFAULT 0,
    granted INTEGER NOT NULL DEFAULT 0,
    unswept INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE member (
    task INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    path TEXT NOT NULL,
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
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    durable INTEGER NOT NULL,
    session INTEGER NOT NULL,
    inode INTEGER,
    stamped_size INTEGER,
    changed INTEGER,
    chunk_size INTEGER NOT NULL,
    checksums BLOB NOT NULL,
    UNIQUE (task, name)
  ) STRICT;
  CREATE INDEX object_by_task ON object (task, generation, size);
  PRAGMA user_version = 1;
  """

@Suite struct MigrationTests {
  let fixture: CacheFixture
  let kept = SampleFile("d/kept.bin", size: 5_000, seed: 1)
  let whole = SampleFile("whole.bin", size: 3_000, seed: 2)

  init() throws { fixture = try CacheFixture() }

  /// A task with a stored, an evicted, a failed and a damaged file, and another one that is pinned.
  private func makeFirst() throws {
    let layout = CacheLayout(root: fixture.root)
    try layout.create()
    let (one, two) = (try task("one"), try task("two", source: "free"))
    try DatabaseQueue(path: layout.index).writeWithoutTransaction { db in
      try db.execute(sql: firstSchema)
      for (number, task) in [(1, one), (2, two)] {
        try db.execute(
          sql: """
            INSERT INTO task (id, path, folder, billed, pinned, last_used, generation, state, reason, word, downloaded_at)
            VALUES (?, ?, ?, ?, ?, 1700000000000, 4, ?, ?, ?, 1600000000000)
            """,
          arguments: [
            number, task.description, CacheLayout.folder(for: task), number == 1, number == 2,
            number == 1 ? "broken" : "complete", number == 1 ? "it broke" : nil, number == 1 ? "lost" : nil,
          ])
      }
      let states = ["stored", "evicted", "failed", "damaged"]
      for (ordinal, state) in states.enumerated() {
        try db.execute(
          sql: """
            INSERT INTO member (task, generation, ordinal, path, size, modified_seconds, modified_nanoseconds, crc32, state,
              reason, word, object)
            VALUES (1, 4, ?, ?, 5000, 77, 88, ?, ?, ?, ?, ?)
            """,
          arguments: [
            ordinal, ordinal == 0 ? "d/kept.bin" : state, kept.crc32, state, ordinal > 1 ? "because" : nil,
            ordinal == 2 ? "locked" : nil, ordinal == 0 ? 11 : nil,
          ])
      }
      try db.execute(
        sql: """
          INSERT INTO member (task, generation, ordinal, path, size, modified_seconds, modified_nanoseconds, crc32, state,
            object)
          VALUES (2, 4, 0, 'whole.bin', 3000, 77, 88, ?, 'stored', 12)
          """, arguments: [whole.crc32])
      try db.execute(sql: "INSERT INTO directory VALUES (1, 4, 'd', 5, 6)")
      for (id, task, file) in [(11, one, kept), (12, two, whole)] {
        let name = "00000000000000\(id)"
        try Directories.make(layout.objects(of: CacheLayout.folder(for: task)))
        let path = layout.object(name, of: CacheLayout.folder(for: task))
        try Data(file.bytes).write(to: URL(fileURLWithPath: path))
        var sums = ChunkChecksums(checksum: fixture.checksum.function)
        file.bytes.withUnsafeBytes { sums.append($0) }
        try db.execute(
          sql: """
            INSERT INTO object (id, task, generation, name, size, durable, session, chunk_size, checksums)
            VALUES (?, ?, 4, ?, ?, 0, 0, ?, ?)
            """,
          arguments: [id, id - 10, name, file.bytes.count, sums.chunkSize, Data(ChecksumBlob.encode(sums.all))])
      }
    }
  }

  @Test func anIndexOfTheFirstVersionLosesNothing() async throws {
    try makeFirst()
    let cache = try await fixture.open()
    let (one, two) = (try task("one"), try task("two", source: "free"))
    #expect(try await cache.tasks() == [two, one])
    let listing = try #require(try await cache.listing(of: one))
    #expect(listing.state == .broken(reason: "it broke", failureKind: "lost"))
    #expect(listing.billed)
    #expect(listing.package == nil)
    #expect(listing.downloadedAt == Date(timeIntervalSince1970: 1_600_000_000))
    #expect(listing.directories == [CachedDirectory(path: ["d"], modifiedSeconds: 5, modifiedNanoseconds: 6)])
    #expect(listing.members.map(\.path) == [["d", "kept.bin"], ["evicted"], ["failed"], ["damaged"]])
    #expect(
      listing.members.map(\.state) == [
        .stored, .evicted, .failed(reason: "because", failureKind: "locked"),
        .failed(reason: "because", failureKind: CachedListing.damageWord),
      ])
    #expect(listing.members.allSatisfy { $0.place == nil && $0.crc32 == kept.crc32 && $0.modifiedSeconds == 77 })
    #expect(try await cache.read("d/kept.bin", of: one) == kept.bytes)
    #expect(try await cache.read("whole.bin", of: two) == whole.bytes)
    #expect(try await cache.pinnedTasks() == [two])
    #expect(cache.usage() == CacheUsage(bytes: ByteCount(8_000), objects: 2))
    // And it works on.
    let before = try await cache.version(of: one)
    #expect(try await cache.evict(one) == ByteCount(5_000))
    #expect(try await cache.version(of: one) != before)
    try await cache.download(one, [kept])
    #expect(cache.usage() == CacheUsage(bytes: ByteCount(8_000), objects: 2))
    let again = try await fixture.open()
    #expect(try await again.read("d/kept.bin", of: one) == kept.bytes)
    #expect(try fixture.index { try Int64.fetchOne($0, sql: "PRAGMA user_version") } == IndexSchema.version)
  }
}
