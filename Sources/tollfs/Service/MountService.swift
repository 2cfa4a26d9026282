import FuseBridge
import Glibc
import Logging
import TaskTree

/// A mount and its life: from mounting to the end of the last download.
struct MountService: Sendable {
  let assembly: Assembly
  /// Absolute.
  let mountpoint: String
  let options: MountOptions
  /// Reads the configuration anew, for SIGHUP; nil where there is nothing to read.
  var reload: (@Sendable () async throws(CommandFailure) -> Configuration)?

  /// How long requests in flight may take to end once the mount is to go.
  static let drainingTime: Duration = .seconds(5)
  /// How long a download that was paid for may go on after that. Under systemd's 90 s, after which it kills.
  static let downloadGrace: Duration = .seconds(60)
  /// How long a fresh mount may take to answer; it answers from memory.
  private static let answerTime: Duration = .seconds(20)

  /// Mounts, says so, and returns when the mount is gone and nothing is left to do.
  /// - Parameter isReady: called once the mount answers; returns false when nobody wants it any more.
  func run(isReady: @Sendable () -> Bool) async throws(CommandFailure) {
    let signals = Signals(reloads: true)
    let session = try await mount()
    let serving = Task { await session.run() }
    let listener = Task { await listen(to: signals, session) }
    defer { listener.cancel() }
    let answers = await Self.answers(mountpoint)
    if !answers || !isReady() { session.stop(drainingFor: .zero) }
    await serving.value
    assembly.logger.info("unmounted", metadata: ["mountpoint": "\(mountpoint)"])
    await assembly.shutdown(grace: answers ? Self.downloadGrace : .zero)
    if !answers { throw CommandFailure("\(mountpoint) was mounted and does not answer; it is unmounted again") }
  }

  private func mount() async throws(CommandFailure) -> FuseSession {
    let tree = TaskTreeFileSystem(engine: assembly.engine)
    let (mountpoint, options, logger) = (mountpoint, options, assembly.logger)
    do throws(FuseFailure) {
      let session = try await BlockingCall.run { () throws(FuseFailure) in
        try FuseSession(mounting: tree, at: mountpoint, options: options, logger: logger)
      }
      tree.attach(session.kernelCache)
      return session
    } catch {
      await assembly.shutdown(grace: .zero)
      throw CommandFailure(error)
    }
  }

  /// Whether the mount answers a `statfs`, which the tree does from memory. Asked from a thread of its own: this process
  /// serves the answer.
  private static func answers(_ mountpoint: String) async -> Bool {
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        await BlockingCall.run {
          var status = statvfs()
          return statvfs(mountpoint, &status) == 0
        }
      }
      group.addTask {
        try? await Task.sleep(for: answerTime)
        return false
      }
      let first = await group.next() ?? false
      group.cancelAll()
      return first
    }
  }

  private func listen(to signals: Signals, _ session: FuseSession) async {
    var stops = 0
    for await signal in signals.stream {
      switch signal {
      case .reload:
        await reloadBudget()
      case .stop:
        stops += 1
        switch stops {
        case 1:
          assembly.logger.notice(
            "ending: unmounting, and letting downloads finish that are paid for; again to break them off")
          session.stop(drainingFor: Self.drainingTime)
        case 2:
          assembly.logger.notice("ending now: what has arrived is kept")
          session.stop(drainingFor: .zero)
          assembly.engine.abandonDownloads()
        default:
          // The ledger and the cache survive this like a loss of power.
          _exit(ExitStatus.failed.rawValue)
        }
      }
    }
  }

  private func reloadBudget() async {
    guard let reload else { return }
    do throws(CommandFailure) {
      let fresh = try await reload()
      assembly.engine.replaceBudgetCaps(fresh.budget)
      assembly.logger.notice("the budget was read anew; other settings hold from the next mount on")
    } catch {
      assembly.logger.error(
        "the configuration can't be read; the budget stays as it was", metadata: ["reason": "\(error)"])
    }
  }
}
