import ArgumentParser
import Glibc

struct UnmountCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "unmount", abstract: "Unmounts, and returns when the mount and its process are gone.",
    discussion: "A download that was paid for may finish first.")

  @Argument(help: "The mountpoint; the configuration's unless given.") var mountpoint: String?
  @Flag(help: "Takes the mount out of sight at once; programs that use it may go on until they are done.") var lazy =
    false
  @OptionGroup var common: CommonOptions

  /// The mount table changes as soon as umount(2) returns; more than this is a kernel that waits for something.
  private static let goneWithin: Duration = .seconds(10)
  /// The daemon's own times, and some more to write the ledger.
  private static let endedWithin = MountService.drainingTime + MountService.downloadGrace + .seconds(10)

  func perform() async throws(CommandFailure) {
    // A mount can be taken away even when the configuration is broken: it is only asked for what was not said.
    var configuration: Configuration?
    do throws(CommandFailure) {
      configuration = try await common.configuration()
    } catch {
      if mountpoint == nil { throw error }
    }
    guard let place = mountpoint ?? configuration?.mountpoint else {
      throw CommandFailure("no mountpoint: name one, or set `mountpoint` in the configuration", status: .wrongUsage)
    }
    let stateDirectory = configuration?.stateDirectory
    let lazy = lazy
    let result: Result<Void, CommandFailure> = await BlockingCall.run {
      do throws(CommandFailure) {
        return .success(try Self.unmount(place, lazily: lazy, stateDirectory: stateDirectory))
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  private static func unmount(_ place: String, lazily: Bool, stateDirectory: String?) throws(CommandFailure) {
    guard let path = PathWalk.current().resolve(place, from: Surroundings.current().workingDirectory) else {
      throw CommandFailure("\(place): too many levels of symbolic links")
    }
    // A custom `-o subtype` changes the type, so any FUSE mount that is named outright is taken for meant.
    guard let mount = MountInfo.current().top(at: path), mount.type.hasPrefix("fuse") else {
      throw CommandFailure("nothing is mounted at \(path)")
    }
    // Whoever stands in the mount holds it; this command need not be one of them.
    chdir("/")
    switch Unmounting.unmount(path, lazily: lazily) {
    case .done: break
    case .failed(let reason): throw CommandFailure("can't unmount \(path): \(reason)")
    case .busy: throw CommandFailure(busy(path))
    }
    guard Unmounting.waitUntilGone(mount, deadline: .now + goneWithin) else {
      throw CommandFailure("\(path) is still mounted")
    }
    // A lazy unmount does not wait: programs may use the mount for as long as they like.
    guard let stateDirectory, !lazily else { return }
    if !MountRecord.waitForEnd(stateDirectory: stateDirectory, mountpoint: path, deadline: .now + .seconds(1)) {
      Output.note(
        "unmounted; waiting for its process to put everything away (a download that was paid for may finish first)")
      guard MountRecord.waitForEnd(stateDirectory: stateDirectory, mountpoint: path, deadline: .now + endedWithin)
      else {
        throw CommandFailure("\(path) is unmounted, but its process has not ended; see tollfs.log")
      }
    }
  }

  private static func busy(_ path: String) -> String {
    let holders = MountHolders.holding(path)
    guard !holders.isEmpty else {
      return "\(path) is in use by a process of another user; --lazy takes it out of sight all the same"
    }
    let lines = holders.map { "  \($0.pid) \($0.command) (\($0.holds))" }
    return "\(path) is in use by\n\(lines.joined(separator: "\n"))\nend them first, or use --lazy"
  }
}
