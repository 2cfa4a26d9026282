import Archives
import FileSystem
import ResultCache
import Tasks

/// Takes the members of an archive as they come off the stream: content to the cache, names to whoever waits for them.
/// Confined to the thread that takes the archive apart.
final class DownloadSink: ArchiveSink {
  private let writer: DownloadWriter
  private let download: Download
  /// The content of the member that is arriving, while its name waits for its size.
  private var unpublished: GrowingObject?

  init(writer: DownloadWriter, download: Download) {
    self.writer = writer
    self.download = download
  }

  func memberBegan(_ member: ArchiveMember) throws {
    let object = try writer.beginMember(
      ordinal: member.ordinal, path: member.path.components, size: member.size,
      modifiedSeconds: member.modified.seconds, modifiedNanoseconds: member.modified.nanoseconds)
    // Without its exact size a file is not shown: a program that reads it would take the wrong size for the truth.
    guard member.size != nil else {
      unpublished = object
      return
    }
    download.publish(ResultIndex.File(member, failure: nil), content: object)
  }

  func memberData(_ bytes: UnsafeRawBufferPointer, ordinal: Int) throws {
    try writer.append(bytes)
  }

  func memberEnded(_ member: ArchiveMember) throws {
    try writer.endMember(crc32: member.crc32 ?? 0, size: member.size ?? .zero)
    guard let object = unpublished else { return }
    unpublished = nil
    download.publish(ResultIndex.File(member, failure: nil), content: object)
  }

  func memberFailed(_ member: ArchiveMember, _ failure: ArchiveFailure) throws {
    unpublished = nil
    let shown = FileSystemFailure(failure)
    try writer.failMember(
      ordinal: member.ordinal, path: member.path.components, size: member.size,
      modifiedSeconds: member.modified.seconds, modifiedNanoseconds: member.modified.nanoseconds,
      reason: shown.reason, word: failure.memberWord)
    download.publish(ResultIndex.File(member, failure: shown), content: nil)
  }

  func directory(_ path: MemberPath, modified: ArchiveTime) throws {
    try writer.directory(
      path: path.components, modifiedSeconds: modified.seconds, modifiedNanoseconds: modified.nanoseconds)
    download.publishDirectory(
      path.components, modified: Timestamp(seconds: modified.seconds, nanoseconds: modified.nanoseconds))
  }
}
