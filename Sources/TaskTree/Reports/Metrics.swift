import Synchronization

/// Counters of this mount, for `.tollfs/metrics` in Prometheus' text format (version 0.0.4).
public final class Metrics: Sendable {
  public enum Counter: Int, CaseIterable, Sendable {
    case statusRequests, listRequests, downloadRequests, rangeRequests, bytesReceived, refusals, reads, bytesRead,
      opens, openHits, failures

    var name: String {
      switch self {
      case .statusRequests: "tollfs_status_requests_total"
      case .listRequests: "tollfs_list_requests_total"
      case .rangeRequests: "tollfs_range_requests_total"
      case .downloadRequests: "tollfs_download_requests_total"
      case .bytesReceived: "tollfs_download_bytes_total"
      case .refusals: "tollfs_budget_refusals_total"
      case .reads: "tollfs_reads_total"
      case .bytesRead: "tollfs_read_bytes_total"
      case .opens: "tollfs_opens_total"
      case .openHits: "tollfs_cached_opens_total"
      case .failures: "tollfs_failures_total"
      }
    }

    var help: String {
      switch self {
      case .statusRequests: "Status calls to the APIs."
      case .listRequests: "Listings asked of the APIs."
      case .rangeRequests: "Ranges asked of packages."
      case .downloadRequests: "Download calls to the APIs."
      case .bytesReceived: "Bytes of downloads received."
      case .refusals: "Downloads that a cap refused."
      case .reads: "Reads of result files that reached the mount; the kernel's page cache answers the others."
      case .bytesRead: "Bytes that those reads delivered."
      case .opens: "Opens of result files."
      case .openHits: "Opens of result files whose content was in the cache."
      case .failures: "Operations that failed with a reason; see .tollfs/errors."
      }
    }
  }

  private let values: [Atomic64]

  public init() {
    values = Counter.allCases.map { _ in Atomic64() }
  }

  func count(_ counter: Counter, by amount: Int = 1) {
    values[counter.rawValue].add(amount)
  }

  func value(_ counter: Counter) -> Int {
    values[counter.rawValue].load()
  }

  /// A sample of something that rises and falls.
  struct Gauge {
    let name: String
    let help: String
    let value: String
  }

  func render(gauges: [Gauge]) -> String {
    var text = ""
    for counter in Counter.allCases {
      text += "# HELP \(counter.name) \(counter.help)\n# TYPE \(counter.name) counter\n"
      text += "\(counter.name) \(value(counter))\n"
    }
    for gauge in gauges {
      text += "# HELP \(gauge.name) \(gauge.help)\n# TYPE \(gauge.name) gauge\n\(gauge.name) \(gauge.value)\n"
    }
    return text
  }
}

/// `Atomic` can't be an element of an array by itself.
private final class Atomic64: Sendable {
  private let value = Atomic<Int>(0)

  func add(_ amount: Int) { value.wrappingAdd(amount, ordering: .relaxed) }
  func load() -> Int { value.load(ordering: .relaxed) }
}
