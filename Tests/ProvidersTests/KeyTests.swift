import Glibc
import Tasks
import TestSupport
import Testing

@testable import Providers

@Suite struct KeyTests {
  private func write(_ text: String, mode: mode_t, in directory: TemporaryDirectory) throws -> String {
    let path = directory.file("key")
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    try #require(descriptor >= 0)
    _ = Array(text.utf8).withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    fchmod(descriptor, mode)
    close(descriptor)
    return path
  }

  private func failure(_ provider: any KeyProvider) async -> SourceFailure? {
    do {
      _ = try await provider.key()
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: ["k", " k\n", "\tk\r\n\n", "k\n"]) func whiteSpaceAroundAKeyIsDropped(text: String) {
    #expect(APIKey(text)?.secret == "k")
  }

  @Test(arguments: ["", " \n", "two words", "a\nb", "a\r\nX-Evil: 1", "ключ", "a\u{7f}", "a\u{0}b"])
  func whatCanNotBeAHeaderIsNoKey(text: String) {
    #expect(APIKey(text) == nil)
  }

  @Test func environment() async throws {
    let provider = EnvironmentKey(variable: "THE_KEY", lookUp: { $0 == "THE_KEY" ? "abc\n" : nil })
    #expect(try await provider.key().secret == "abc")
    let missing = try #require(await failure(EnvironmentKey(variable: "NO_KEY", lookUp: { _ in nil })))
    #expect(missing.kind == .accessDenied)
    #expect(missing.reason.contains("NO_KEY"))
    #expect(await failure(EnvironmentKey(variable: "E", lookUp: { _ in "" }))?.kind == .accessDenied)
  }

  @Test(arguments: [0o600, 0o400] as [mode_t]) func aPrivateFileIsRead(mode: mode_t) async throws {
    let directory = try TemporaryDirectory("key")
    let path = try write("abc\n", mode: mode, in: directory)
    #expect(try await FileKey(path: path).key().secret == "abc")
  }

  @Test(arguments: [0o644, 0o640, 0o604, 0o660, 0o610] as [mode_t]) func aFileThatOthersCanReadIsNot(mode: mode_t)
    async throws
  {
    let directory = try TemporaryDirectory("key")
    let path = try write(secretText, mode: mode, in: directory)
    let refused = try #require(await failure(FileKey(path: path)))
    #expect(refused.kind == .accessDenied)
    #expect(refused.reason.contains("chmod 600 \(path)"))
    #expect(!refused.reason.contains(secretText))
  }

  @Test func oddFilesAreRefusedWithoutHanging() async throws {
    let directory = try TemporaryDirectory("key")
    #expect(await failure(FileKey(path: directory.file("none")))?.reason.contains("none") == true)
    #expect(await failure(FileKey(path: directory.path))?.kind == .accessDenied)
    let fifo = directory.file("fifo")
    mkfifo(fifo, 0o600)
    #expect(await failure(FileKey(path: fifo))?.kind == .accessDenied)
    let empty = try write("", mode: 0o600, in: directory)
    #expect(await failure(FileKey(path: empty))?.kind == .accessDenied)
  }

  @Test func theFirstLineOfACommandIsTheKey() async throws {
    #expect(try await CommandKey(command: "printf 'abc\\nsecond line\\n'").key().secret == "abc")
    #expect(try await CommandKey(command: "cat; printf abc").key().secret == "abc")
    // Much output does not block the command.
    #expect(try await CommandKey(command: "echo abc; head -c 1000000 /dev/zero").key().secret == "abc")
  }

  @Test func aFailingCommandIsRefusedWithoutItsText() async throws {
    let failed = try #require(await failure(CommandKey(command: "echo \(secretText); exit 3")))
    #expect(failed.kind == .accessDenied)
    #expect(failed.reason.contains("3"))
    #expect(!failed.reason.contains(secretText))
    #expect(await failure(CommandKey(command: "true"))?.kind == .accessDenied)
    #expect(await failure(CommandKey(command: "kill -9 $$"))?.reason.contains("signal 9") == true)
  }

  @Test func aHangingCommandIsKilledWithItsChildren() async throws {
    let directory = try TemporaryDirectory("key")
    let pids = directory.file("pids")
    let command = CommandKey(command: "sleep 1000 & echo $! > \(pids); sleep 1000", deadline: .seconds(2))
    #expect(await failure(command)?.reason.contains("2 s") == true)
    let file = try #require(fopen(pids, "r"))
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 32)
    try #require(fgets(&buffer, 32, file) != nil)
    let pid = try #require(
      pid_t(String(decoding: buffer.prefix { $0 > 32 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)))
    // A killed orphan may be a zombie until its new parent reaps it: it counts as dead.
    try await eventually { kill(pid, 0) != 0 || isZombie(pid) }
  }

  private func isZombie(_ pid: pid_t) -> Bool {
    guard let file = fopen("/proc/\(pid)/stat", "r") else { return true }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 256)
    guard fgets(&buffer, 256, file) != nil else { return true }
    let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return text.contains(") Z")
  }

  @Test func everybodyAtOnceReadsTheKeyOnce() async throws {
    let slow = SlowKey()
    let cache = KeyCache(slow, clock: .system)
    let secrets = await withTaskGroup(of: String?.self) { group in
      for _ in 0..<20 { group.addTask { try? await cache.key().secret } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(secrets.allSatisfy { $0 == "slow" })
    #expect(slow.reads == 1)
  }

  @Test func waitingForAKeyIsCancellable() async throws {
    let cache = KeyCache(NeverKey(), clock: .system)
    let waiter = Task { () -> SourceFailure? in
      do {
        _ = try await cache.key()
        return nil
      } catch {
        return error as? SourceFailure
      }
    }
    try await Task.sleep(for: .milliseconds(20))
    waiter.cancel()
    #expect(await waiter.value?.kind == .cancelled)
  }

  @Test func aKeyIsReadAgainAfterItsLifetime() async throws {
    let rotating = RotatingKey(["one", "two"])
    let time = JumpingClock()
    let cache = KeyCache(rotating, clock: time.clock)
    #expect(try await cache.key().secret == "one")
    #expect(try await cache.key().secret == "one")
    await time.clock.sleep(KeyCache.lifetime)
    #expect(try await cache.key().secret == "two")
  }
}

private final class SlowKey: KeyProvider {
  private let counter = Counter()
  var reads: Int { counter.value }

  func key() async throws(SourceFailure) -> APIKey {
    counter.add(1)
    try? await Task.sleep(for: .milliseconds(30))
    guard let key = APIKey("slow") else { throw SourceFailure(.accessDenied, "no key") }
    return key
  }
}

private struct NeverKey: KeyProvider {
  func key() async throws(SourceFailure) -> APIKey {
    try? await Task.sleep(for: .seconds(3))
    throw SourceFailure(.accessDenied, "too late")
  }
}
