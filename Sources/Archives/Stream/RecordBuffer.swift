/// Collects the bytes of a record that may come in any number of pieces.
struct RecordBuffer {
  private(set) var bytes: [UInt8] = []

  var isEmpty: Bool { bytes.isEmpty }
  var slice: ArraySlice<UInt8> { bytes[...] }

  /// Takes from `input` until there are `count` bytes. Returns whether there are.
  mutating func gather(_ count: Int, from input: inout UnsafeRawBufferPointer) -> Bool {
    let missing = count - bytes.count
    guard missing > 0 else { return true }
    let taken = min(missing, input.count)
    bytes.append(contentsOf: input[..<taken])
    input = UnsafeRawBufferPointer(rebasing: input[taken...])
    return bytes.count >= count
  }

  /// Drops bytes that were dealt with.
  mutating func drop(_ count: Int) {
    bytes.removeFirst(min(count, bytes.count))
  }

  mutating func takeAll() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }

  mutating func append(_ more: some Sequence<UInt8>) {
    bytes.append(contentsOf: more)
  }
}
