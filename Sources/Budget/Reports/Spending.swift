import Foundation
import GRDB
import Tasks

/// What the purchases of one day of local time count.
public struct SpendingDay: Sendable, Hashable {
  /// `2026-03-14`.
  public let day: String
  /// When it began.
  public let start: Date
  /// All of it: what is settled, and what is not.
  public let charged: Dollars
  /// The part of it that is on its way.
  public let reserved: Dollars
  /// The part of it that nobody knows.
  public let unsettled: Dollars
  /// Without those that were released.
  public let purchases: Int
}

extension Ledger {
  /// What each of the last days has cost, oldest first and today included.
  public func spending(days count: Int) async throws(BudgetFailure) -> [SpendingDay] {
    await findOrphans()
    let timekeeper = timekeeper
    return try await store.read { db in
      var moment = try LedgerQueries.time(timekeeper, in: db).now
      var found: [SpendingDay] = []
      for _ in 0..<max(0, count) {
        let day = BudgetWindows(at: moment, timeZone: timekeeper.timeZone).day
        found.append(try Self.spending(in: day, timekeeper.timeZone, db))
        // A millisecond before its beginning lies in the day before.
        moment = day.start.addingTimeInterval(-0.001)
      }
      return found.reversed()
    }
  }

  private static func spending(in day: DateInterval, _ timeZone: TimeZone, _ db: Database) throws -> SpendingDay {
    let count = try Int.fetchOne(
      db, sql: "SELECT COUNT(*) FROM purchases WHERE time >= ? AND time < ? AND state != 'released'",
      arguments: [day.start.milliseconds, day.end.milliseconds])
    func charged(_ state: Purchase.State?) throws -> Dollars {
      try LedgerQueries.charged(since: day.start, until: day.end, state: state, in: db)
    }
    return SpendingDay(
      day: DateText.day(day.start, in: timeZone), start: day.start, charged: try charged(nil),
      reserved: try charged(.reserved), unsettled: try charged(.unsettled), purchases: count ?? 0)
  }
}

/// A chart for a terminal: one line a day with a bar as long as what it cost.
public struct SpendingChart: Sendable {
  /// How many columns the terminal has.
  public let width: Int
  /// Whether the terminal can show block characters.
  public let isUnicode: Bool

  public init(width: Int, isUnicode: Bool) {
    self.width = width
    self.isUnicode = isUnicode
  }

  /// Shorter bars say nothing.
  private static let shortestBar = 8
  private static let eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
  private var full: String { isUnicode ? "█" : "#" }
  private var open: String { isUnicode ? "░" : "." }

  public func render(_ days: [SpendingDay]) -> String {
    let total = days.reduce(Dollars.zero) { $0 + $1.charged }
    let uncertain = days.reduce(Dollars.zero) { $0 + $1.reserved + $1.unsettled }
    let amounts = days.map(\.charged.description)
    let amountWidth = (amounts + [total.description]).map(\.count).max() ?? 0
    let dayWidth = max(days.map(\.day.count).max() ?? 0, 5)
    let room = max(Self.shortestBar, width - dayWidth - amountWidth - 4)
    let longest = days.map(\.charged).max() ?? .zero
    func line(_ name: String, _ amount: String, _ bar: String) -> String {
      let cells = "\(name)\(pad(dayWidth - name.count))  \(pad(amountWidth - amount.count))\(amount)"
      return bar.isEmpty ? cells + "\n" : "\(cells)  \(bar)\n"
    }
    var text = zip(days, amounts).map { line($0.day, $1, bar($0, longest, room)) }.joined()
    text += line("total", total.description, "")
    if uncertain > .zero { text += "\(open) reserved or unsettled: \(uncertain)\n" }
    return text
  }

  private func pad(_ count: Int) -> String { String(repeating: " ", count: max(0, count)) }

  /// What is certain in full blocks, then what isn't. What costs anything at all has a bar.
  private func bar(_ day: SpendingDay, _ longest: Dollars, _ room: Int) -> String {
    let uncertain = day.reserved + day.unsettled
    let certain = Self.scaled(day.charged - uncertain, longest, room * 8)
    let rest = Self.scaled(uncertain, longest, room)
    guard isUnicode else {
      return String(repeating: full, count: min((certain + 7) / 8, room - rest)) + String(repeating: open, count: rest)
    }
    let cells = min(certain, (room - rest) * 8)
    return String(repeating: full, count: cells / 8) + Self.eighths[cells % 8] + String(repeating: open, count: rest)
  }

  /// `amount * steps / longest`, rounded up.
  static func scaled(_ amount: Dollars, _ longest: Dollars, _ steps: Int) -> Int {
    guard amount > .zero, longest > .zero else { return 0 }
    guard amount < longest else { return steps }
    let product = UInt64(amount.microDollars).multipliedFullWidth(by: UInt64(steps))
    // The quotient fits: the amount is smaller than the divisor.
    let (quotient, remainder) = UInt64(longest.microDollars).dividingFullWidth(product)
    return Int(quotient) + (remainder == 0 ? 0 : 1)
  }
}
