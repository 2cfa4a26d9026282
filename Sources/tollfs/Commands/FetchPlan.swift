import Budget
import FileSystem
import TaskTree
import Tasks

/// What `fetch --dry-run` says: what would be fetched one after the other, and what the guard would say of each.
struct FetchPlan {
  struct Step: Encodable {
    let task: String
    let bytes: Int64
    let bytesBasis: String
    let cost: String
    /// What the tightest cap leaves before this one.
    var budgetLeft: String?
    /// cached, free, allowed or refused.
    var verdict: String
    var reason: String
  }

  private(set) var steps: [Step] = []
  private(set) var bytes = ByteCount.zero
  private(set) var cost = Dollars.zero
  private(set) var refusals = 0

  /// - Parameter tasks: in the order in which they would be fetched.
  init(_ tasks: [TaskPath], engine: TaskEngine) async throws(CommandFailure) {
    var reports: [CostReport] = []
    do throws(FileSystemFailure) {
      for task in tasks { reports.append(try await engine.cost(of: task, requester: .thisCommand)) }
    } catch {
      throw CommandFailure(error)
    }
    // What is named twice is in the cache by then.
    var seen: Set<TaskPath> = []
    let first = reports.map { seen.insert($0.task).inserted }
    let requests = zip(reports, first).filter { $1 && $0.isBilled }.map { $0.0.request }
    do throws(BudgetFailure) {
      var quotes = try await engine.ledger.plan(requests, caps: engine.budgetCaps)[...]
      for (report, isFirst) in zip(reports, first) {
        add(report, isFirst: isFirst, quote: isFirst && report.isBilled ? quotes.popFirst() : nil)
      }
    } catch {
      throw CommandFailure(error)
    }
  }

  private mutating func add(_ report: CostReport, isFirst: Bool, quote: Quote?) {
    var step = Step(
      task: report.task.description, bytes: report.bytes.bytes, bytesBasis: report.basis,
      cost: (quote?.cost ?? .zero).description, budgetLeft: quote?.budgetLeft?.description,
      verdict: isFirst ? report.verdict.rawValue : CostReport.Verdict.cached.rawValue,
      reason: isFirst ? report.reason : "fetched before")
    if let quote {
      step.verdict = (quote.isAllowed ? CostReport.Verdict.allowed : .refused).rawValue
      if let refusal = quote.refusal {
        step.reason = "\(refusal.reason); \(refusal.remedy)"
      } else if let approval = quote.usesApproval {
        step.reason = "uses the approval of up to \(approval)"
      } else if report.verdict == .refused {
        // What only an open is refused: `fetch` is allowed to.
        step.reason = "within the budget"
      }
    }
    if step.verdict == CostReport.Verdict.refused.rawValue {
      refusals += 1
    } else if step.verdict != CostReport.Verdict.cached.rawValue {
      bytes += report.bytes
      cost += quote?.cost ?? .zero
    }
    steps.append(step)
  }

  var table: String {
    var rows = [["task", "size", "basis", "cost", "left", "verdict", "reason"]]
    for step in steps {
      rows.append([
        step.task, ByteCount(step.bytes).formatted, step.bytesBasis, step.cost, step.budgetLeft ?? "-", step.verdict,
        step.reason,
      ])
    }
    var total = ["total", bytes.formatted, "", cost.description]
    if refusals > 0 { total += ["", "", "without \(refusals) that would be refused"] }
    rows.append(total)
    return TextTable.render(rows, rightAligned: [1, 3, 4])
  }
}

extension CostReport {
  /// Whether `fetch` would ask the guard.
  fileprivate var isBilled: Bool { verdict == .allowed || verdict == .refused }

  fileprivate var request: PurchaseRequest {
    PurchaseRequest(
      task: task, path: task.description + "/results", price: PricePerGigabyte(pricePerGigabyte),
      requester: .thisCommand, expected: Estimate(bytes: bytes, basis: isExact ? .exact : .assumed, evidence: reason))
  }
}
