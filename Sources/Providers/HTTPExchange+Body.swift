/// Reading an answer that is small, or the start of one that is not.
extension HTTPExchange {
  /// At least `count` bytes of the body, and whatever came with them; fewer when the body ends before.
  func firstBytes(_ count: Int) async -> Result<[UInt8], TransportFault> {
    await collect([], until: { $0.count >= count })
  }

  /// The whole body. One that is longer than `limit` bytes is given up, and its connection with it.
  /// - Parameter start: bytes of the body that were taken already.
  func body(after start: [UInt8] = [], atMost limit: Int) async -> Result<[UInt8], TransportFault> {
    let result = await collect(start, until: { $0.count > limit })
    guard case .success(let bytes) = result, bytes.count > limit else { return result }
    cancel()
    return .failure(TransportFault(kind: .badAnswer, text: "an answer of more than \(limit >> 20) MiB", mayPass: false))
  }

  private func collect(
    _ start: [UInt8], until isEnough: ([UInt8]) -> Bool
  ) async -> Result<[UInt8], TransportFault> {
    var bytes = start
    do {
      while !isEnough(bytes), let more = try await next() { bytes += more }
      return .success(bytes)
    } catch {
      return .failure(error)
    }
  }
}
