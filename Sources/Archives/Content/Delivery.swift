import Tasks

/// Hands members to the sink, counts what they hold and stops at the limit.
final class Delivery {
  private let sink: any ArchiveSink
  private let limit: UInt64
  /// The content of members that are done with.
  private var settledSize: UInt64 = 0
  /// The content so far of the member that is being delivered.
  private var openSize: UInt64 = 0

  init(_ sink: any ArchiveSink, limits: ArchiveLimits) {
    self.sink = sink
    limit = limits.totalSize.map { UInt64($0.bytes) } ?? .max
  }

  /// In bytes; saturates at the end of the range.
  var total: ByteCount {
    ByteCount(Int64(clamping: settledSize.addingReportingOverflow(openSize).partialValue))
  }

  func directory(_ path: MemberPath, modified: ArchiveTime) throws {
    try sink.directory(path, modified: modified)
  }

  func began(_ member: ArchiveMember) throws {
    openSize = 0
    if let size = member.size { try check(UInt64(size.bytes), member) }
    try sink.memberBegan(member)
  }

  func data(_ bytes: UnsafeRawBufferPointer, of member: ArchiveMember) throws {
    openSize += UInt64(bytes.count)
    try check(openSize, member)
    try sink.memberData(bytes, ordinal: member.ordinal)
  }

  func ended(_ member: ArchiveMember) throws {
    settle(openSize)
    try sink.memberEnded(member)
  }

  /// A failed member counts with the size that its header announces: it was part of what was paid for.
  /// An announcement beyond the limit is not believed.
  func failed(_ member: ArchiveMember, _ failure: ArchiveFailure) throws {
    if let size = member.size { try check(UInt64(size.bytes), member) }
    settle(max(openSize, member.size.map { UInt64($0.bytes) } ?? 0))
    let reason = "`\(member.path.shown)`: \(failure.reason)"
    try sink.memberFailed(member, ArchiveFailure(failure.kind, reason))
  }

  private func settle(_ size: UInt64) {
    // Headers may announce anything: the sum must not overflow.
    settledSize = min(settledSize.addingReportingOverflow(size).overflow ? .max : settledSize + size, UInt64(Int64.max))
    openSize = 0
  }

  private func check(_ size: UInt64, _ member: ArchiveMember) throws(ArchiveFailure) {
    guard size <= limit, settledSize <= limit - size else {
      throw ArchiveFailure(.limitExceeded, "with `\(member.path.shown)` the archive holds more than \(limit) bytes")
    }
  }
}
