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
  /// How many episodes the task has, where its API said so. Later estimates learn from it.
  public let episodes: Int?
  /// Whether all of the task's results are downloaded. What is only a part of them teaches nothing about the size of tasks.
  public let isWhole: Bool

  public init(
    task: TaskPath, path: String, price: PricePerGigabyte, requester: Requester, expected: Estimate,
    episodes: Int? = nil, isWhole: Bool = true
  ) {
    self.task = task
    self.path = path
    self.price = price
    self.requester = requester
    self.expected = expected
    self.episodes = episodes
    self.isWhole = isWhole
  }

  /// What is reserved: the expected bytes at the price, rounded up.
  public var cost: Dollars { price.charge(for: expected.bytes) }
}
