import ArgumentParser
import Budget
import Foundation
import Tasks

struct LedgerCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "ledger", abstract: "Prints every purchase with its present state, as CSV.",
    discussion: "With --settle, corrects an unsettled purchase against the provider's invoice.")

  @Flag(help: "Prints the history behind it, one line an event.") var events = false
  @Option(help: ArgumentHelp("Settles the unsettled purchase with this id by hand.", valueName: "id")) var settle:
    Int64?
  @Option(help: ArgumentHelp("What the purchase has really cost, in dollars.", valueName: "amount")) var cost: String?
  @Option(help: ArgumentHelp("How many bytes the invoice says, as 1.5 GB or a plain number.", valueName: "size"))
  var bytes: String?
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if (settle == nil) != (cost == nil) { throw ValidationError("--settle and --cost go together") }
    if bytes != nil && settle == nil { throw ValidationError("--bytes goes with --settle") }
    if events && settle != nil { throw ValidationError("either --events or --settle") }
  }

  func perform() async throws(CommandFailure) {
    let correction = try correction()
    let configuration = try await common.configuration()
    let ledger = try await Assembly.openLedger(configuration, common.logger)
    do throws(BudgetFailure) {
      if let correction {
        show(try await ledger.correct(correction.id, cost: correction.cost, bytes: correction.bytes, by: .thisCommand))
      } else if events {
        try await printEvents(of: ledger)
      } else {
        try await printPurchases(of: ledger)
      }
    } catch {
      throw CommandFailure(error)
    }
  }

  // MARK: Settling by hand

  private func correction() throws(CommandFailure) -> (id: Int64, cost: Dollars, bytes: ByteCount?)? {
    guard let settle, let cost else { return nil }
    do throws(UnreadableValue) {
      return (settle, try SettingValues.dollars(cost), try bytes.map(SettingValues.bytes))
    } catch {
      throw CommandFailure(error)
    }
  }

  private func show(_ purchase: Purchase) {
    if output.json { return Output.json(LedgerJSON.Bought(purchase)) }
    Output.say(
      "purchase \(purchase.id) of \(purchase.task): settled at \(purchase.charge), \(purchase.bytes.formatted)")
  }

  // MARK: Printing

  private func printPurchases(of ledger: Ledger) async throws(BudgetFailure) {
    if output.json {
      var array = JSONArrayPrinter()
      try await ledger.forEachPurchase { array.add(LedgerJSON.Bought($0)) }
      array.end()
    } else {
      var printer = PiecewisePrinter(LedgerText.ledgerHeader)
      try await ledger.forEachPurchase { printer.add(LedgerText.ledgerLine($0)) }
      printer.end()
    }
  }

  private func printEvents(of ledger: Ledger) async throws(BudgetFailure) {
    if output.json {
      var array = JSONArrayPrinter()
      try await ledger.forEachEvent { array.add(LedgerJSON.Happened($0)) }
      array.end()
    } else {
      var printer = PiecewisePrinter(LedgerText.eventsHeader)
      try await ledger.forEachEvent { printer.add(LedgerText.eventLine($0)) }
      printer.end()
    }
  }
}
