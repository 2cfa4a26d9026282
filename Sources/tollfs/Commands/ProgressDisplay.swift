import ResultCache
import Synchronization
import TaskTree
import Tasks

/// Shows how a download or a check goes on: one line that is written over on a terminal, a plain line every few seconds elsewhere.
final class ProgressDisplay: Sendable {
  /// Plain lines end up in logs of jobs: often enough to see life, seldom enough to read.
  private static let plainInterval: Duration = .seconds(5)

  private struct State {
    var lastPlain: ContinuousClock.Instant?
    var hasLine = false
  }

  private let isTerminal: Bool
  private let state = Mutex(State())

  init(isTerminal: Bool) {
    self.isTerminal = isTerminal
  }

  /// - Parameter line: makes the text, with a bar or without one.
  func show(_ line: (_ withBar: Bool) -> String) {
    let text = line(isTerminal)
    state.withLock { state in
      if isTerminal {
        // To the line's start, and clear to its end (ECMA-48, EL).
        Output.status("\r" + text + "\u{1b}[K")
        state.hasLine = true
      } else if state.lastPlain.map({ .now - $0 >= Self.plainInterval }) ?? true {
        if state.lastPlain != nil { Output.note(text) }
        state.lastPlain = .now
      }
    }
  }

  /// Leaves the line, so that what follows begins at the left.
  func end() {
    state.withLock { state in
      if state.hasLine { Output.status("\r\u{1b}[K") }
      state.hasLine = false
    }
  }
}

/// The words of a progress line. Pure.
enum ProgressText {
  private static let barWidth = 24

  static func render(task: String, _ progress: DownloadProgress, withBar: Bool) -> String {
    var text = "\(task): \(progress.received.formatted)"
    if let announced = progress.announced { text += " of \(announced.formatted)" }
    text += ", \(progress.files) files"
    return percent(of: progress).map { text + bar($0, isDrawn: withBar) } ?? text
  }

  static func render(task: String, _ progress: VerificationProgress, withBar: Bool) -> String {
    let text =
      "\(task): checked \(progress.checked.formatted) of \(progress.total.formatted), \(progress.files) files"
    return percent(progress.checked, of: progress.total).map { text + bar($0, isDrawn: withBar) } ?? text
  }

  private static func bar(_ percent: Int, isDrawn: Bool) -> String {
    var text = ""
    if isDrawn {
      let filled = percent * barWidth / 100
      text += " [" + String(repeating: "#", count: filled) + String(repeating: "-", count: barWidth - filled) + "]"
    }
    return text + " \(percent)%"
  }

  /// Known only when the server said how much it will send: the size that was reserved for is too rough a guess.
  static func percent(of progress: DownloadProgress) -> Int? {
    progress.announced.flatMap { percent(progress.received, of: $0) }
  }

  private static func percent(_ part: ByteCount, of whole: ByteCount) -> Int? {
    guard whole > .zero else { return nil }
    let (whole, part) = (whole.bytes, min(part.bytes, whole.bytes))
    // In this order nothing overflows up to 2^63 / 100 bytes, and above that a percent of the whole is exact enough.
    return whole > Int64.max / 100 ? Int(part / (whole / 100)) : Int(part * 100 / whole)
  }
}
