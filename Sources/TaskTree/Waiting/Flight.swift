import FileSystem

/// One piece of work whose outcome many may wait for. Whoever gives up waiting leaves the work and the others alone.
final class Flight<Value: Sendable>: Sendable {
  private let outcome = Watched<Result<Value, FileSystemFailure>?>(nil)

  /// The first call decides; later ones change nothing.
  func land(_ result: Result<Value, FileSystemFailure>) {
    outcome.update { outcome in
      if outcome == nil { outcome = result }
    }
  }

  /// - Throws: the failure that the work ended in, or `.interrupted` when the waiting task is cancelled.
  func value() async throws(FileSystemFailure) -> Value {
    do {
      return try await outcome.wait { $0 }.get()
    } catch let failure as FileSystemFailure {
      throw failure
    } catch {
      throw FileSystemFailure(.interrupted)
    }
  }
}
