import Foundation
import Tasks

/// What `status` says: the bare word first, so that `head -1` is enough for a script, then `key: value` lines.
enum StatusText {
  static func render(_ known: KnownStatus, of task: TaskPath) -> String {
    let status = known.status
    var lines = [status.state.word.oneLine]
    func add(_ key: String, _ value: String?) {
      if let value, !value.isEmpty { lines.append("\(key): \(value.oneLine)") }
    }
    add("task", task.description)
    add("source", task.source.text)
    add("name", status.name)
    add("progress", status.progress.map(describe))
    add("error_code", status.errorCode)
    add("error_message", status.errorMessage)
    add("updated", UTCTime.text(known.changed))
    if let reason = known.staleReason {
      add("as_of", UTCTime.text(known.asked))
      add("stale", "true")
      add("reason", reason)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func describe(_ progress: TaskProgress) -> String {
    switch progress {
    case .episodes(let completed, let total):
      return "\(completed)/\(total) episodes\(percent(completed, of: total))"
    case .percent(let value):
      return "\(Int(max(0, min(100, value.isFinite ? value : 0))))%"
    }
  }
}

/// In whole percent, rounded down: 100% is for what is really done. Empty where the numbers make no sense.
private func percent(_ completed: Int, of total: Int) -> String {
  let (scaled, overflow) = completed.multipliedReportingOverflow(by: 100)
  guard total > 0, completed >= 0, completed <= total, !overflow else { return "" }
  return " (\(scaled / total)%)"
}

/// Times as all files of the mount show them: UTC, whole seconds, ISO 8601.
enum UTCTime {
  static func text(_ date: Date) -> String {
    date.formatted(.iso8601)
  }
}

extension String {
  /// On one line: a message of the API must not be able to forge a line of ours.
  var oneLine: String {
    String(unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
  }
}
