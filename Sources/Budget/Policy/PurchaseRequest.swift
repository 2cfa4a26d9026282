import Tasks

/// A billed download that somebody wants.
public struct PurchaseRequest: Sendable, Hashable {
  public let task: TaskPath
  /// What was opened, as the user would write it.
  public let path: String
  public let price: PricePerGigabyte
  public let requester: Requester
  /// How large the download is expected to be: it is reserved with this.
  public let expected: Estimate

  public init(
    task: TaskPath, path: String, price: PricePerGigabyte, requester: Requester, expected: Estimate
  ) {
    self.task = task
    self.path = path
    self.price = price
    self.requester = requester
    self.expected = expected
  }

  /// What is reserved: the expected bytes at the price, rounded up.
  public var cost: Dollars { price.charge(for: expected.bytes) }
}
