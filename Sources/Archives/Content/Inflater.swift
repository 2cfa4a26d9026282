import CISAL

/// Undoes deflate (RFC 1951), streaming, with ISA-L. One serves many members, one after the other.
final class Inflater {
  /// Room for output in bytes. ISA-L decodes straight into it when it is larger than its 64 KiB window of history.
  static let outputCapacity = 256 << 10

  enum Outcome {
    /// All input was used.
    case needsInput
    /// The deflate stream has ended; these bytes behind it, at most eight, were taken from the input with it.
    case finished(unused: [UInt8])
    /// Not a deflate stream, or more output came than `accept` would take.
    case damaged
  }

  let state: UnsafeMutableRawPointer
  private let output: UnsafeMutableRawBufferPointer
  /// The last bytes of the input before this one: ISA-L holds up to eight in its bit buffer.
  var lastInput: [UInt8] = []

  init() {
    // Its largest members are pointers and 64-bit numbers; 64 is a cache line, which its vector code likes.
    state = .allocate(byteCount: tollfs_inflate_state_size(), alignment: 64)
    // Not all of it is set by its own beginning, and what is copied must not depend on what the memory held before.
    state.initializeMemory(as: UInt8.self, repeating: 0, count: tollfs_inflate_state_size())
    output = .allocate(byteCount: Self.outputCapacity, alignment: 64)
    start()
  }

  deinit {
    state.deallocate()
    output.deallocate()
  }

  func start() {
    tollfs_inflate_start(state)
    lastInput = []
  }

  /// Decodes `input`, which loses what was used, and hands the output on piece by piece.
  /// - Parameter accept: returns false to refuse what it got, which ends the decoding as damaged.
  func feed(
    _ input: inout UnsafeRawBufferPointer, accept: (UnsafeRawBufferPointer) throws -> Bool
  ) rethrows -> Outcome {
    while true {
      let (output, outcome) = step(&input)
      if !output.isEmpty, try !accept(output) { return .damaged }
      if let outcome { return outcome }
    }
  }

  /// Decodes until the room for output is full, the input is used or something ends it; without an outcome there is more to come from the
  /// same input. The output is valid until the next step.
  func step(_ input: inout UnsafeRawBufferPointer) -> (output: UnsafeRawBufferPointer, outcome: Outcome?) {
    let count = min(input.count, 1 << 30)
    var inputLeft = UInt32(count)
    var room = UInt32(output.count)
    let result = tollfs_inflate_step(
      state, input.baseAddress?.assumingMemoryBound(to: UInt8.self), &inputLeft,
      output.baseAddress?.assumingMemoryBound(to: UInt8.self), &room)
    let produced = UnsafeRawBufferPointer(rebasing: output[..<(output.count - Int(room))])
    let isFinished = tollfs_inflate_is_finished(state) != 0
    // Newer versions give back at the end what they took too much, if need be from before this input. Otherwise, more
    // is left than there was only after damage.
    let isReturned = isFinished && Int(inputLeft) <= count + lastInput.count
    if result != 0 || Int(inputLeft) > count && !isReturned { return (produced, .damaged) }
    if isFinished {
      let returned = lastInput.suffix(max(0, Int(inputLeft) - count))
      input = UnsafeRawBufferPointer(rebasing: input[max(0, count - Int(inputLeft))...])
      return (produced, .finished(unused: returned + unusedBytes()))
    }
    let used = count - Int(inputLeft)
    lastInput = Array((lastInput + input[..<used].suffix(8)).suffix(8))
    input = UnsafeRawBufferPointer(rebasing: input[used...])
    // A full buffer may mean that more output waits inside.
    if input.isEmpty, produced.count < output.count { return (produced, .needsInput) }
    return (produced, used == 0 && produced.isEmpty ? .damaged : nil)
  }

  /// What older versions keep.
  private func unusedBytes() -> [UInt8] {
    var bits: UInt64 = 0
    let count = Int(tollfs_inflate_unused(state, &bits))
    return (0..<min(count, 8)).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }
  }
}
