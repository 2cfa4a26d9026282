import Archives
import FileSystem
import ResultCache

extension ResultIndex.File {
  init(_ member: CachedMember) {
    var failure: FileSystemFailure?
    if case .failed(let reason, let word) = member.state {
      failure = FileSystemFailure(word: word, reason: reason)
    }
    self.init(
      ordinal: member.ordinal, components: member.path, size: UInt64(member.size.bytes),
      modified: Timestamp(seconds: member.modifiedSeconds, nanoseconds: member.modifiedNanoseconds),
      crc32: member.crc32, failure: failure)
  }

  init(_ member: ArchiveMember, failure: FileSystemFailure?) {
    self.init(
      ordinal: member.ordinal, components: member.path.components, size: UInt64(member.size?.bytes ?? 0),
      modified: Timestamp(seconds: member.modified.seconds, nanoseconds: member.modified.nanoseconds),
      crc32: member.crc32, failure: failure)
  }
}
