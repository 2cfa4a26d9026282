/// What the store sent of one package. It counts what was handed to the socket, not what was asked for.
public struct PackageTally: Sendable, Equatable {
  /// A piece of the package that one answer has sent.
  public struct Run: Sendable, Equatable {
    /// The request's number, as in its record.
    public var request: Int
    /// Counts the package's versions from 1.
    public var version: Int
    public var offset: Int64
    public var count: Int64

    public var range: Range<Int64> { offset..<(offset + count) }
  }

  /// One a GET that was answered with bytes of the package, oldest first.
  public internal(set) var runs: [Run] = []

  public init() {}

  public var bytesSent: Int64 { runs.reduce(0) { $0 + $1.count } }

  /// Bytes of one version that were sent more than once, counted once a repetition.
  public var bytesSentTwice: Int64 {
    var total: Int64 = 0
    for (_, runs) in Dictionary(grouping: runs, by: \.version) {
      var end: Int64 = 0
      for run in runs.sorted(by: { $0.offset < $1.offset }) {
        let range = run.range
        total += max(0, min(end, range.upperBound) - range.lowerBound)
        end = max(end, range.upperBound)
      }
    }
    return total
  }

  /// A further answer sends from `offset` on.
  mutating func begin(_ request: Int, version: Int, offset: Int64) {
    runs.append(Run(request: request, version: version, offset: offset, count: 0))
  }

  /// The answer has sent so many bytes more; fewer, when what was counted beforehand did not leave.
  mutating func add(_ bytes: Int64, to request: Int) {
    guard let index = runs.lastIndex(where: { $0.request == request }) else { return }
    runs[index].count += bytes
  }
}
