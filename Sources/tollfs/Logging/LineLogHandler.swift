import Glibc
import Logging

/// Writes each message as one line. See ``LogLine``.
struct LineLogHandler: LogHandler {
  let destination: LogDestination
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?

  init(destination: LogDestination, level: Logger.Level) {
    self.destination = destination
    logLevel = level
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
    if let given = event.metadata { all.merge(given) { _, new in new } }
    if let error = event.error { all["error"] = "\(error)" }
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    destination.write(
      LogLine.render(
        seconds: now.tv_sec, milliseconds: now.tv_nsec / 1_000_000, level: event.level,
        message: event.message.description, metadata: all))
  }
}

extension Logger {
  /// The program's logger; every room gets it, or one made from it.
  static func tollfs(_ destination: LogDestination, level: Logger.Level) -> Logger {
    Logger(label: "tollfs") { _ in LineLogHandler(destination: destination, level: level) }
  }
}
