/// Says what is done next on a connection of the store while it sends so many bytes, as the faults have it. A pure value that
/// never sees the bytes: they go from the file to the socket without passing through here.
struct StorePacer {
  enum Step: Equatable {
    /// Sends so many of the bytes.
    case send(Int64)
    /// Waits until so many seconds after the first step.
    case pause(until: Double)
    case sleep(seconds: Double)
    /// Never goes on.
    case stall
    /// Waits until it is released.
    case hold
    /// The store has the package's next version from here on; with `tears`, this answer goes on with its bytes.
    case nextVersion(tears: Bool)
    /// Every address that was signed up to now expires.
    case expire
    case reset
    case close
    /// Ends the body as if it were complete.
    case end
  }

  /// What goes from file to socket in one call: enough that the calls cost nothing, little enough that the counters move.
  static let pieceSize: Int64 = 1_048_576
  /// A piece is counted before it is sent if it is the last one, since who has it all may ask for the counters at once. It is small, so
  /// that what is counted too early for a reader who is slow weighs nothing.
  static let lastPieceSize: Int64 = 65_536
  /// As for ``BodyPacer``.
  private static let piecesPerSecond: Int64 = 20

  private let faults: Faults
  private let length: Int64
  private let pace: Double?
  private(set) var offset: Int64 = 0
  private var waiting: [Step] = []
  private var struck: Int64 = -1

  init(_ faults: Faults, length: Int64, bytesPerSecond: Int?) {
    self.faults = faults
    self.length = length
    // The slower of the two.
    pace = [faults.bytesPerSecond, bytesPerSecond].compactMap { $0 }.min().map { Double(max($0, 1)) }
  }

  /// The next step, or nil when all is sent. After `.stall`, `.reset`, `.close` and `.end` nothing follows.
  mutating func next() -> Step? {
    if waiting.isEmpty, struck < offset {
      struck = offset
      waiting = strikes()
    }
    if !waiting.isEmpty { return waiting.removeFirst() }
    guard offset < length else { return nil }
    let count = count
    offset += count
    if let pace { waiting = [.pause(until: Double(offset) / pace)] }
    return .send(count)
  }

  /// Whether the piece that was given last is the last one that will be sent.
  var isLastPiece: Bool {
    offset >= length || [faults.resetAfter, faults.closeAfter, faults.endAfter].contains(offset)
  }

  /// Whether all has been given and nothing is left to happen to it.
  var isComplete: Bool {
    offset >= length && ![faults.resetAfter, faults.closeAfter, faults.endAfter].contains(offset)
  }

  /// What happens at this offset, before its byte.
  private func strikes() -> [Step] {
    var steps: [Step] = []
    if offset == faults.nextVersionAfter { steps.append(.nextVersion(tears: faults.tears == true)) }
    if offset == faults.expireAfter { steps.append(.expire) }
    if offset == faults.holdAfter { steps.append(.hold) }
    if offset == faults.stallAfter { steps.append(faults.stallSeconds.map { .sleep(seconds: $0) } ?? .stall) }
    if offset == faults.resetAfter { steps.append(.reset) }
    if offset == faults.closeAfter { steps.append(.close) }
    if offset == faults.endAfter { steps.append(.end) }
    return steps
  }

  private var marks: [Int64?] {
    [
      faults.nextVersionAfter, faults.expireAfter, faults.holdAfter, faults.stallAfter, faults.resetAfter,
      faults.closeAfter, faults.endAfter, faults.flipBitAt, faults.flipBitAt.map { $0 + 1 },
    ]
  }

  private var count: Int64 {
    var rest = length - offset
    for mark in marks { if let mark, mark > offset { rest = min(rest, mark - offset) } }
    if let pace { rest = min(rest, max(Int64(pace) / Self.piecesPerSecond, 1)) }
    // The end of a large rest goes as a small piece of its own.
    if rest > Self.lastPieceSize { rest = min(rest - Self.lastPieceSize, Self.pieceSize) }
    return rest
  }
}
