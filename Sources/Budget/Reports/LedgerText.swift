import Foundation
import Tasks

/// The ledger as text: what `.tollfs/budget`, `.tollfs/ledger.csv` and the commands show.
public enum LedgerText {
  /// `.tollfs/budget`: one line a cap in columns, then `key: value` lines.
  public static func budget(_ summary: BudgetSummary) -> String {
    var rows = [["cap", "limit", "spent", "reserved", "left", "resets"]]
    for window in summary.windows {
      let counts = window.cap != .perOpen
      rows.append([
        window.cap.rawValue, window.limit.map(\.description) ?? "-", counts ? window.spent.description : "-",
        counts ? window.reserved.description : "-", window.left.map(\.description) ?? "-",
        window.resetsAt.map { DateText.moment($0, in: summary.timeZone) } ?? (counts ? "never" : "every open"),
      ])
    }
    var text = TextTable.render(rows)
    if let dearest = summary.dearestTask { text += "dearest_task: \(dearest.task) \(dearest.charged)\n" }
    text += "unsettled: \(summary.unsettled)\n"
    text += "assume_unknown: \(summary.assumeUnknown)\n"
    text += "as_of: \(DateText.moment(summary.now, in: summary.timeZone))\n"
    if let doubt = summary.doubt {
      text += "note: \(doubt.text(in: summary.timeZone)); until one does, the windows are those of as_of\n"
    }
    for approval in summary.approvals { text += "approved: \(approval.task) up to \(approval.upTo), once\n" }
    if !summary.isConfigured { text += "note: no budget is configured, so nothing billed is opened\n" }
    return text
  }

  /// The columns of ``ledgerHeader``; the first eight are promised to users, further ones may be added at the end.
  public static let ledgerColumns = [
    "time", "source", "task", "bytes", "cost", "state", "pid", "command",
    "id", "uid", "path", "reserved", "bytes_basis", "evidence", "price_per_gb", "changed", "reason", "episodes",
    "continues",
  ]

  /// `.tollfs/ledger.csv`: this header and one line a purchase, oldest first. Quoted as in RFC 4180, lines end with a plain newline as
  /// everywhere on Linux; times in UTC, `cost` is what counts against the caps.
  public static var ledgerHeader: String { line(ledgerColumns) }

  /// The header and these lines.
  public static func ledgerCSV(_ purchases: [Purchase]) -> String {
    ledgerHeader + purchases.map(ledgerLine).joined()
  }

  /// The line of one purchase.
  public static func ledgerLine(_ purchase: Purchase) -> String { line(fields(of: purchase)) }

  /// The columns of ``eventsHeader``.
  public static let eventColumns = [
    "time", "event", "id", "source", "task", "bytes", "amount", "bytes_basis", "evidence", "uid", "pid", "command",
    "path", "reason", "machine_time", "episodes", "continues",
  ]

  /// The history behind the ledger: this header and one line an event, oldest first. `id` is the purchase's; `machine_time` is what
  /// the clock said, where the ledger did not believe it.
  public static var eventsHeader: String { line(eventColumns) }

  /// The header and these lines.
  public static func eventsCSV(_ events: [LedgerEvent]) -> String {
    eventsHeader + events.map(eventLine).joined()
  }

  /// The line of one event.
  public static func eventLine(_ event: LedgerEvent) -> String {
    line([
      DateText.moment(event.time, in: DateText.utc), event.kind.rawValue, event.purchase.map(String.init) ?? "",
      event.task.source.text, event.task.description, event.bytes.description, event.amount.description,
      event.estimate?.basis.rawValue ?? "", event.estimate?.evidence ?? "", String(event.requester.userID),
      String(event.requester.processID), event.requester.command, event.path, event.reason,
      event.clock.flatMap { $0 == event.time ? nil : DateText.moment($0, in: DateText.utc) } ?? "",
      event.episodes.map(String.init) ?? "", event.continues.map(String.init) ?? "",
    ])
  }

  private static func fields(of purchase: Purchase) -> [String] {
    [
      DateText.moment(purchase.time, in: DateText.utc), purchase.task.source.text, purchase.task.description,
      purchase.bytes.description, purchase.charge.description, purchase.state.rawValue,
      String(purchase.requester.processID), purchase.requester.command,
      String(purchase.id), String(purchase.requester.userID), purchase.path, purchase.reserved.description,
      purchase.estimate.basis.rawValue, purchase.estimate.evidence, purchase.price.dollars.description,
      DateText.moment(purchase.changed, in: DateText.utc), purchase.reason,
      purchase.episodes.map(String.init) ?? "", purchase.continues.map(String.init) ?? "",
    ]
  }

  private static func line(_ fields: [String]) -> String {
    fields.map(quoted).joined(separator: ",") + "\n"
  }

  /// RFC 4180, section 2, rules 5 to 7. Looked for byte by byte: in Swift `\r\n` is one character, and a quote that carries a
  /// combining mark is not equal to a quote.
  static func quoted(_ field: String) -> String {
    let needsQuotes = field.utf8.contains { [0x22, 0x2c, 0x0a, 0x0d].contains($0) }
    guard needsQuotes else { return field }
    var bytes: [UInt8] = [0x22]
    for byte in field.utf8 {
      if byte == 0x22 { bytes.append(byte) }
      bytes.append(byte)
    }
    bytes.append(0x22)
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension Ledger {
  /// `.tollfs/ledger.csv`, read piece by piece.
  public func ledgerCSV() async throws(BudgetFailure) -> [UInt8] {
    var bytes = Array(LedgerText.ledgerHeader.utf8)
    try await forEachPurchase { bytes += LedgerText.ledgerLine($0).utf8 }
    return bytes
  }
}
