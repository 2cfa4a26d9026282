/// Turns the pieces of a body into what is done on the connection, as the faults say. A pure value: it says what to do and
/// does nothing.
struct BodyPacer {
  enum Step: Equatable {
    case send([UInt8])
    case sleep(seconds: Double)
    /// Never goes on, and keeps the connection open.
    case stall
    /// Ends the connection with a TCP RST.
    case reset
    /// Ends the connection without the body's end.
    case close
    /// Ends the body properly, before its time.
    case end
  }

  private let faults: Faults
  private var offset: Int64 = 0
  private var hasStalled = false

  init(_ faults: Faults) {
    self.faults = faults
  }

  /// Often enough that a slow body flows instead of coming in bursts, seldom enough that it isn't all timers.
  private static let piecesPerSecond = 20

  /// What to do with the next piece. After `.stall`, `.reset`, `.close` and `.end` nothing follows.
  mutating func steps(for piece: [UInt8]) -> [Step] {
    var steps: [Step] = []
    var rest = piece[...]
    while true {
      // Whatever strikes here comes before the next byte.
      if let step = strike() {
        steps.append(step)
        if case .sleep = step { continue }
        return steps
      }
      guard !rest.isEmpty else { return steps }
      let part = rest.prefix(count(of: rest.count))
      rest = rest.dropFirst(part.count)
      steps.append(.send(flipped(Array(part))))
      offset += Int64(part.count)
      if let pace = faults.bytesPerSecond { steps.append(.sleep(seconds: Double(part.count) / Double(max(pace, 1)))) }
    }
  }

  private mutating func strike() -> Step? {
    if offset == faults.stallAfter, !hasStalled {
      hasStalled = true
      return faults.stallSeconds.map { .sleep(seconds: $0) } ?? .stall
    }
    if offset == faults.resetAfter { return .reset }
    if offset == faults.closeAfter { return .close }
    if offset == faults.endAfter { return .end }
    return nil
  }

  /// How many of the available bytes go at once: up to the next offset at which something happens, and no more than the pace allows.
  private func count(of available: Int) -> Int {
    var count = available
    if let pace = faults.bytesPerSecond { count = min(count, max(pace / Self.piecesPerSecond, 1)) }
    for mark in [faults.stallAfter, faults.resetAfter, faults.closeAfter, faults.endAfter] {
      if let mark, mark > offset { count = Int(min(Int64(count), mark - offset)) }
    }
    return count
  }

  private func flipped(_ bytes: [UInt8]) -> [UInt8] {
    guard let mark = faults.flipBitAt, mark >= offset, mark < offset + Int64(bytes.count) else { return bytes }
    var bytes = bytes
    bytes[Int(mark - offset)] ^= 1
    return bytes
  }
}
