import GRDB
import Synchronization
import Tasks

extension ResultCache {
  /// Reads every cached byte of a task, whatever its stamp says, and compares it with the checksums of its chunks and of its
  /// file. What is damaged is marked: opening it fails until it is fetched again.
  /// - Parameters:
  ///   - contentChecksum: the function of ``CachedMember/crc32``; nil compares chunks only.
  ///   - progress: called about five times a second.
  /// - Returns: nil when nothing is known of the task.
  /// - Throws: `.cancelled`, between two files; `.io` when the index can't be read.
  public func verify(
    _ task: TaskPath, contentChecksum: Checksum?,
    progress: @escaping @Sendable (VerificationProgress) -> Void = { _ in }
  ) async throws(CacheFailure) -> VerificationReport? {
    // Puts a crashed download in order, so that what it brought is checked as well.
    _ = try await listing(of: task)
    let found = try await core.index.read { db -> (TaskRow, [MemberRow])? in
      guard let row = try TaskRow.find(db, path: task.description), row.state != nil else { return nil }
      return (row, try MemberRow.all(db, task: row.id, generation: row.generation))
    }
    guard let (row, members) = found else { return nil }
    let parts = try await core.index.read { try Self.partialSizes($0, of: row.id) }
    let total = members.reduce(ByteCount.zero) { sum, member in
      switch member.state {
      case .stored: sum + ByteCount(member.size)
      case .evicted: sum + ByteCount(member.object.flatMap { parts[$0] } ?? 0)
      case .damaged, .failed: sum
      }
    }
    let meter = VerificationMeter(total: total, report: progress)
    var report = VerificationReport()
    for member in members {
      if Task.isCancelled { throw .cancelled }
      if member.state == .evicted, member.object != nil {
        try await checkPart(of: member, in: task, meter, &report)
      } else {
        try await check(member, in: row, contentChecksum, meter, &report)
      }
    }
    meter.finish()
    return report
  }

  private static func partialSizes(_ db: Database, of task: Int64) throws -> [Int64: Int64] {
    let rows = try Row.fetchAll(db, sql: "SELECT id, size FROM object WHERE task = ? AND partial", arguments: [task])
    return Dictionary(rows.map { ($0["id"], $0["size"]) }, uniquingKeysWith: { first, _ in first })
  }

  /// A member of which some parts are here.
  private func checkPart(
    of member: MemberRow, in task: TaskPath, _ meter: VerificationMeter, _ report: inout VerificationReport
  ) async throws(CacheFailure) {
    let path = JoinedPath.split(member.path)
    do throws(CacheFailure) {
      let object = try await sparse(CachedMember(member), of: task, costs: false)
      let findings = try await OffPool.run { () throws(CacheFailure) in
        try object.verifyAll { meter.advance($0) }
      }
      report.bytes += ByteCount(findings.right)
      if let damage = findings.damage {
        report.damaged.append(.init(path: path, reason: damage.reason))
      } else {
        report.evicted += 1
        report.dropped += ByteCount(findings.dropped)
      }
    } catch {
      switch error.kind {
      case .damaged: report.damaged.append(.init(path: path, reason: error.reason))
      case .notFound: report.evicted += 1
      case .io, .noSpace, .pinned, .tooNew: report.unreadable.append(.init(path: path, reason: error.reason))
      case .cancelled: throw error
      }
    }
    meter.endFile()
  }

  private func check(
    _ member: MemberRow, in task: TaskRow, _ contentChecksum: Checksum?, _ meter: VerificationMeter,
    _ report: inout VerificationReport
  ) async throws(CacheFailure) {
    func finding(_ reason: String) -> VerificationReport.Finding {
      VerificationReport.Finding(path: JoinedPath.split(member.path), reason: reason)
    }
    switch member.state {
    case .evicted: report.evicted += 1
    case .damaged: report.damaged.append(finding(member.reason ?? "the cached bytes are damaged"))
    // It came so: there are no cached bytes that could be right.
    case .failed: break
    case .stored:
      do throws(CacheFailure) {
        try await verifyBytes(of: member, in: task, contentChecksum, meter)
        report.files += 1
        report.bytes += ByteCount(member.size)
      } catch {
        switch error.kind {
        case .damaged: report.damaged.append(finding(error.reason))
        // Evicted, or replaced by a new download, since the list was read.
        case .notFound: report.evicted += 1
        case .io, .noSpace, .pinned, .tooNew: report.unreadable.append(finding(error.reason))
        case .cancelled: throw error
        }
      }
      meter.endFile()
    }
  }

  private func verifyBytes(
    of member: MemberRow, in task: TaskRow, _ contentChecksum: Checksum?, _ meter: VerificationMeter
  ) async throws(CacheFailure) {
    let core = core
    try await OffPool.run { () throws(CacheFailure) in
      let object = try core.index.readBlocking { db in try member.object.flatMap { try ObjectRow.find(db, id: $0) } }
      guard let object else { throw CacheFailure(.notFound, "\(member.path) is no longer in the cache") }
      var content: (checksum: Checksum, expected: UInt32)?
      if let contentChecksum, let expected = member.crc32 { content = (contentChecksum, expected) }
      try Verification(
        core: core, object: object, folder: task.folder, name: member.path,
        thorough: Verification.Thorough(content: content) { meter.advance($0) }
      ).perform()
    }
  }
}

/// Counts what a check has read, and tells it seldom enough for a display.
///
/// Lock order: a leaf; the listener is called outside.
private final class VerificationMeter: Sendable {
  private static let interval: Duration = .milliseconds(200)

  private struct State {
    var progress: VerificationProgress
    var toldAt: ContinuousClock.Instant?
  }

  private let state: Mutex<State>
  private let report: @Sendable (VerificationProgress) -> Void

  init(total: ByteCount, report: @escaping @Sendable (VerificationProgress) -> Void) {
    state = Mutex(State(progress: VerificationProgress(total: total)))
    self.report = report
  }

  func advance(_ bytes: Int) {
    let now = ContinuousClock.now
    let news: VerificationProgress? = state.withLock { state in
      state.progress.checked += ByteCount(bytes)
      if let last = state.toldAt, now - last < Self.interval { return nil }
      state.toldAt = now
      return state.progress
    }
    if let news { report(news) }
  }

  func endFile() {
    state.withLock { $0.progress.files += 1 }
  }

  func finish() {
    report(state.withLock { $0.progress })
  }
}
