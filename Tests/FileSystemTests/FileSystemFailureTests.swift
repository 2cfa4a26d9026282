import FileSystem
import Glibc
import Testing

@Suite("Failures and names")
struct FileSystemFailureTests {
  private static let table: [FileSystemFailure.Kind: Int32] = [
    .budgetExceeded: EDQUOT, .accessDenied: EACCES, .notFound: ENOENT, .timedOut: ETIMEDOUT, .unreachable: EHOSTUNREACH,
    .rateLimited: EBUSY, .remoteError: EREMOTEIO, .damaged: EBADMSG, .noData: ENODATA, .stale: ESTALE, .noSpace: ENOSPC,
    .interrupted: EINTR, .readOnly: EROFS, .notADirectory: ENOTDIR, .isADirectory: EISDIR, .noAttribute: ENODATA,
    .notSupported: EOPNOTSUPP, .invalidArgument: EINVAL, .badHandle: EBADF,
    .inputOutput: EIO,
  ]

  @Test("Every kind of failure has the errno of the contract", arguments: FileSystemFailure.Kind.allCases)
  func errno(kind: FileSystemFailure.Kind) {
    #expect(kind.errno == Self.table[kind])
  }

  @Test("Names that differ in their bytes are different names")
  func names() throws {
    let composed = try #require(FileName("é"))
    let decomposed = try #require(FileName("e\u{301}"))
    #expect(composed != decomposed)
    #expect(Set([composed, decomposed]).count == 2)
  }

  @Test(
    "What can't be a name is refused", arguments: ["", ".", "..", "a/b", "a\0b", String(repeating: "x", count: 256)])
  func refuses(text: String) {
    #expect(FileName(text) == nil)
  }
}
