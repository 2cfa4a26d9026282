import FileSystem
import Synchronization
import Tasks

/// The packages that were asked for lately, so that a task's package is made ready once for all its files.
///
/// Lock order: a leaf; never held across an await.
final class PackageDesk: Sendable {
  private struct Entry {
    var package: (any TaskPackage)?
    var flight: Flight<any TaskPackage>?
  }

  /// Above this many, those that are not being made ready are forgotten; each is an address and a few numbers.
  private static let limit = 500

  private let entries = Mutex<[TaskPath: Entry]>([:])

  /// The task's package, made ready if nobody has done so in this run.
  func package(of task: TaskPath, from source: any TaskSource) async throws(FileSystemFailure) -> any TaskPackage {
    enum Step {
      case done(any TaskPackage)
      case wait(Flight<any TaskPackage>)
      case ask(Flight<any TaskPackage>)
    }
    let step = entries.withLock { entries -> Step in
      if let package = entries[task]?.package { return .done(package) }
      if let flight = entries[task]?.flight { return .wait(flight) }
      if entries.count >= Self.limit { entries = entries.filter { $0.value.flight != nil } }
      let flight = Flight<any TaskPackage>()
      entries[task] = Entry(flight: flight)
      return .ask(flight)
    }
    switch step {
    case .done(let package): return package
    case .wait(let flight): return try await flight.value()
    case .ask(let flight):
      // A task of its own: the one who asked first may be interrupted while others wait.
      Task { await self.ask(task, source, landing: flight) }
      return try await flight.value()
    }
  }

  /// Forgets a package that turned out to be another one by now.
  func drop(_ task: TaskPath) {
    entries.withLock { entries in
      if entries[task]?.flight == nil { entries[task] = nil }
    }
  }

  private func ask(_ task: TaskPath, _ source: any TaskSource, landing flight: Flight<any TaskPackage>) async {
    let result: Result<any TaskPackage, FileSystemFailure>
    do throws(SourceFailure) {
      result = .success(try await source.package(of: task))
    } catch {
      result = .failure(FileSystemFailure(error))
    }
    entries.withLock { entries in
      switch result {
      case .success(let package): entries[task] = Entry(package: package)
      case .failure: entries[task] = nil
      }
    }
    flight.land(result)
  }
}
