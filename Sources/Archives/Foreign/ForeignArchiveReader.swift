/// Takes apart the archives that are no zip, through libarchive.
public struct ForeignArchiveReader {
  private let options: ArchiveOptions
  private let delivery: Delivery

  public init(options: ArchiveOptions, sink: any ArchiveSink) {
    self.options = options
    delivery = Delivery(sink, limits: options.limits)
  }

  public func read(_ source: any RandomAccessSource) throws {
    throw ArchiveFailure(.badStructure, "not read yet")
  }
}
