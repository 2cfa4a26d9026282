/// Receives what an archive holds, in the order of its bytes, on the thread that reads it.
///
/// A member is begun, gets its data and is ended or failed before the next one begins. What a sink throws stops the reading
/// and comes out of the reader as it is.
public protocol ArchiveSink: AnyObject {
  /// A file begins. Its size is nil when only its end will tell it.
  func memberBegan(_ member: ArchiveMember) throws
  /// The next bytes of its content, never none; valid during the call only.
  func memberData(_ bytes: UnsafeRawBufferPointer, ordinal: Int) throws
  /// The file is whole: size and checksum are exact and were checked against what the archive says.
  func memberEnded(_ member: ArchiveMember) throws
  /// The file can't be had: it is damaged, encrypted or compressed in a way nobody here knows. It may have begun, and then its
  /// data is void; or not. The size is what the headers say, where they say it. The rest of the archive goes on.
  func memberFailed(_ member: ArchiveMember, _ failure: ArchiveFailure) throws
  /// The archive lists a directory by itself. Directories that only occur in paths of members are not told.
  func directory(_ path: MemberPath, modified: ArchiveTime) throws
}
